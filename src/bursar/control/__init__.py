"""Control state: what people change while the gateway runs. Virtual keys, budgets, top-ups, alerts, the audit log.

What `bursar.toml` declares is not kept here: it is merged in memory and shown beside it as read-only (``source =
"file"``). One database serves every process of a data folder: the workers, the command line, and the console, which
write to it side by side. It is SQLite (`control.sqlite`) and asked in portable SQL.

What must be true:

- A write and its entry in the audit log are one transaction, and so is the version that tells the workers of it.
- A name that a key once had is never given to another key, so that reports stay true.
- Secrets are not kept, only their SHA-256. Money is decimal text of whole picodollars: 64 bits end at $9.2 million.
- A database that cannot be read is `ControlUnavailable`, never an empty answer.

Reads are bounded and take microseconds; writes wait for one another, up to `sqlite.WRITE_WAIT_S`.
"""
