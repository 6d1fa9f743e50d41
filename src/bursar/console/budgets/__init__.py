"""Budgets over HTTP: the operations, their schemas, and what answers them."""
