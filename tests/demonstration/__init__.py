"""The demo: what it opens, and that nothing else is opened by it."""
