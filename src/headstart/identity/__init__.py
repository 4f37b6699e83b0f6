"""Who is speaking. What they may do is ``core.access``."""
