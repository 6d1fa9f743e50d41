"""The ledger: facts become rows that are never lost, never doubled and never changed.

Model. Every process that states facts (a gateway, a CLI that corrects prices) owns a *spool*: append-only files of
checksummed frames, durable as soon as written (`spool`, `frames`). The *loader* reads all spools, pairs what was opened
with what was settled (`intake`, `pairing`, `loader`) and writes *segments*: immutable Parquet files of rows by UTC day,
which with the *manifest* are the truth (`segments`, `manifest`). A *store* indexes them and answers a closed set of
questions (`store`, `questions`; `duckdb_store` is the embedded one). `engine` ties the parts together under one lock,
`process` serves it over a Unix socket, and `client` asks that process, or opens the ledger itself when none runs.

Ownership. A spool belongs to its worker, which alone appends to it; the loader alone deletes it, once nothing in it is
unread or open. Segments, manifest and index belong to the holder of ``ledger.lock``. The manifest is the commit point:
what it does not name does not exist. The index belongs to nobody: it may be deleted at any time and is rebuilt.

Invariants, each with a property test:

- A settled record becomes exactly one row, whatever is killed, cut, copied or read twice.
- An opened record whose worker died becomes an ``interrupted`` row: its cost is bounded, not known, and never zero.
- Rows are only added. A correction is a reversal and a restatement, so the plain sum of rows is the present truth.
- Hourly sums equal the sums of the rows; sums of money are exact at any size.
- Unreadable bytes are put aside and reported; nothing is skipped silently.
"""
