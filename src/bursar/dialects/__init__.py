"""Sans-io wire formats: one file a format, pure over bytes.

Invariants: bytes pass through unless a change is declared; usage is settled into disjoint meters here and nowhere else;
how a body is split into chunks never changes a reading.
"""
