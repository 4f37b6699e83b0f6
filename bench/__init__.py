"""How fast, how late, and beside what: ours and its rivals, side by side in one run.

Absolute figures belong to one machine on one day; the ratios between variants of one run are what
counts. See ``docs/explanation/benchmarks.md``.
"""
