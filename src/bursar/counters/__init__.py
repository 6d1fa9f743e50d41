"""Counters: what is spent and held in every account, and the one place where room is granted.

A reservation is all or nothing and atomic over all its accounts. What is held counts like what is spent until the
attempt is settled to the truth; what a worker held that died returns when its lease ends. Counters are projections of
the ledger: `seed` sets what calls before the counting began have spent, as often as wanted, and nothing is lost with a
store but the holds of calls in flight.

Each implementation passes `tests/support/counters_contract.py`.
"""
