"""The command line: one file a command group, tables for people, JSON and CSV for scripts.

Exit codes: 0 done, 1 the answer is "no" (nothing found, a check failed), 2 wrong usage or configuration, 3 the ledger
or the gateway cannot be reached.
"""
