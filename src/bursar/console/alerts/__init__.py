"""Alerts over HTTP: the operation, its schema, and what answers it."""
