"""The tables, as the steps by which they came about. A step that was released is never edited: append another.

Instants are Unix microseconds, money is decimal text of whole picodollars, `terms`, `definition`, `account`, `data`,
`before_json` and `after_json` are JSON.
"""

from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE control_version (keys BIGINT NOT NULL, rules BIGINT NOT NULL, alerts BIGINT NOT NULL)",
        "INSERT INTO control_version (keys, rules, alerts) VALUES (0, 0, 0)",
        """CREATE TABLE virtual_keys (
            name TEXT PRIMARY KEY,
            terms TEXT NOT NULL,
            made_us BIGINT NOT NULL,
            made_by TEXT NOT NULL,
            rotated_us BIGINT,
            deleted_us BIGINT
        )""",
        """CREATE TABLE key_secrets (
            digest TEXT PRIMARY KEY,
            key_name TEXT NOT NULL REFERENCES virtual_keys (name),
            last4 TEXT NOT NULL,
            made_us BIGINT NOT NULL,
            ends_us BIGINT
        )""",
        "CREATE INDEX key_secrets_by_key ON key_secrets (key_name)",
        """CREATE TABLE budgets (
            name TEXT PRIMARY KEY,
            definition TEXT NOT NULL,
            made_us BIGINT NOT NULL,
            made_by TEXT NOT NULL,
            changed_us BIGINT NOT NULL
        )""",
        """CREATE TABLE top_ups (
            id BIGINT PRIMARY KEY,
            budget TEXT NOT NULL,
            account TEXT,
            pico TEXT,
            tokens BIGINT,
            from_us BIGINT NOT NULL,
            until_us BIGINT,
            reason TEXT NOT NULL,
            made_us BIGINT NOT NULL,
            made_by TEXT NOT NULL,
            cancelled_us BIGINT
        )""",
        "CREATE INDEX top_ups_by_end ON top_ups (until_us)",
        "CREATE INDEX top_ups_by_budget ON top_ups (budget, id)",
        """CREATE TABLE alerts (
            id BIGINT PRIMARY KEY,
            once_key TEXT UNIQUE,
            kind TEXT NOT NULL,
            severity TEXT NOT NULL,
            subject TEXT NOT NULL,
            message TEXT NOT NULL,
            data TEXT NOT NULL,
            at_us BIGINT NOT NULL,
            resolved_us BIGINT
        )""",
        """CREATE TABLE audit_log (
            id BIGINT PRIMARY KEY,
            at_us BIGINT NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            before_json TEXT,
            after_json TEXT
        )""",
        "CREATE INDEX audit_log_by_subject ON audit_log (subject, id)",
    ),
    (
        "ALTER TABLE alerts ADD COLUMN ends_us BIGINT",
        "CREATE INDEX alerts_by_end ON alerts (resolved_us, ends_us)",
        """CREATE TABLE deliveries (
            id BIGINT PRIMARY KEY,
            alert_id BIGINT NOT NULL REFERENCES alerts (id),
            channel TEXT NOT NULL,
            event TEXT NOT NULL,
            attempts BIGINT NOT NULL,
            next_us BIGINT,
            delivered_us BIGINT,
            problem TEXT,
            UNIQUE (alert_id, channel, event)
        )""",
        "CREATE INDEX deliveries_by_time ON deliveries (channel, next_us)",
    ),
)
