"""Bursar: the AI FinOps gateway and ledger."""

__version__ = "0.1.0"
