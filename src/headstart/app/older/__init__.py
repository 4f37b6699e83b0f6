"""What an older system knew of its session requests, in our words.

Read in this order: ``reading`` (one row), ``priority`` (what it noted of the priority path),
``history`` (the events that must have happened), ``backfill`` (all rows, beside the traffic).
"""
