"""Races on a real PostgreSQL: against time, against a crowd, and against a line that loses answers.

What a simulated database can get wrong by being polite, these find by force. Each part is a
function of a count and a seed that answers with its evidence.
"""
