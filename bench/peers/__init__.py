"""Our window beside the libraries that a team would pick for a durable timer.

They live in an environment of their own and run as programs; nothing here is imported by them but
``bench.peers.libraries``, which needs nothing of the service.
"""
