"""The rules, pure: no clock, no randomness, no logging, no I/O, no async.

Read in this order: ``request`` (the states), ``commands``, ``events``, ``decide``, ``evolve``,
``audience``.
"""
