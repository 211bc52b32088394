"""Which rows to label next: chosen from an unlabelled pool, handed out, and read back with their labels.

In: a pool and a run.  Out: files for people to fill in; rows that `liftune tune` reads.
"""
