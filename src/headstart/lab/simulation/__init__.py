"""A deterministic simulation: the real rules, dispatcher, deadlines, feed and fulfilment on a
virtual clock, over a model of the database, among people and faults that one seed decides."""
