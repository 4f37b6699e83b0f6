"""Habits that nobody has to remember, because a test does."""
