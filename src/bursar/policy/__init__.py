"""Who asks, under which tags, and whether that is allowed: pure decisions over facts and one immutable snapshot.

Nothing here does I/O or reads a clock, so the same inputs explain the same decision later. Identity and tags fail
closed: a key that is not known is refused, never guessed.
"""
