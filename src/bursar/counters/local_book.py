"""The accounts, holds and leases of one machine, as tables of a SQLite file; every function is part of a transaction.

Amounts are kept in two columns (see `amounts`). `spent_rest` is always below a unit; `held_rest` may leave that range
until the next reservation writes it anew.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from bursar.counters.amounts import UNIT, joined, split
from bursar.counters.protocol import Balance, Spot
from bursar.policy.claims import Account, Hold, Standing, Verdict, bucket_us, free_at

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS account (
    name TEXT NOT NULL, window INTEGER NOT NULL,
    spent_whole INTEGER NOT NULL, spent_rest INTEGER NOT NULL,
    held_whole INTEGER NOT NULL, held_rest INTEGER NOT NULL,
    first_limit TEXT, opened_us INTEGER NOT NULL, used_us INTEGER NOT NULL, idle_us INTEGER,
    oldest INTEGER NOT NULL,
    PRIMARY KEY (name, window)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
    name TEXT NOT NULL, number INTEGER NOT NULL, whole INTEGER NOT NULL, rest INTEGER NOT NULL,
    PRIMARY KEY (name, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold (
    id TEXT NOT NULL PRIMARY KEY, worker TEXT NOT NULL, claims BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS worker (
    name TEXT NOT NULL PRIMARY KEY, alive_until_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seed (
    account TEXT NOT NULL, window INTEGER NOT NULL, bucket INTEGER NOT NULL,
    whole INTEGER NOT NULL, rest INTEGER NOT NULL,
    PRIMARY KEY (account, window, bucket)
) WITHOUT ROWID;
"""

TABLES: Final = ("account", "part", "hold", "worker", "seed")

_SELECT: Final = (
    "SELECT name, window, spent_whole, spent_rest, held_whole, held_rest, first_limit, opened_us, oldest FROM account "
    "WHERE name IN ({})"
)
_HOLD: Final = (
    "UPDATE account SET held_whole = ?, held_rest = ?, used_us = max(used_us, ?) WHERE name = ? AND window = ?"
)
_OPEN: Final = "INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SPEND: Final = (
    "UPDATE account SET spent_whole = spent_whole + ? + (spent_rest + ?) / 1000000000000, "
    "spent_rest = (spent_rest + ?) % 1000000000000, held_whole = held_whole - ?, held_rest = held_rest - ? "
    "WHERE name = ? AND window = ?"
)
_SET_SPENT: Final = "UPDATE account SET spent_whole = ?, spent_rest = ?, oldest = ? WHERE name = ? AND window = ?"
_ADD_PART: Final = (
    "INSERT INTO part VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "whole = whole + excluded.whole + (rest + excluded.rest) / 1000000000000, "
    "rest = (rest + excluded.rest) % 1000000000000"
)
_TOUCH: Final = "UPDATE account SET used_us = max(used_us, ?) WHERE name = ? AND window = ?"
_LEASE: Final = (
    "INSERT INTO worker VALUES (?, ?) ON CONFLICT DO UPDATE SET alive_until_us = excluded.alive_until_us "
    "WHERE alive_until_us < ?"
)

_Claims = list[tuple[str, int, int, int]]
"""Name, window, and the amount held in two numbers."""

_decode_claims: Final = msgspec.msgpack.Decoder(_Claims)


class _Row(Struct):
    """An account as it is kept."""

    spent: int
    held: int
    limit: int | None
    opened_us: int
    oldest: int
    is_new: bool = False


def reserve(db: sqlite3.Connection, hold: Hold, *, worker: str, lease_us: int) -> Verdict:
    """Hold every amount or none."""
    rows = _rows(db, hold.accounts, at_us=hold.at_us)
    used: list[int] = []
    limits: list[int | None] = []
    short: list[int] = []
    for account, amount, row in zip(hold.accounts, hold.amounts, rows, strict=True):
        limit = row.limit if account.keeps_limit else account.limit
        total = row.spent + row.held + amount
        if amount and (
            (limit is not None and total > limit)
            or (account.max_age_us is not None and hold.at_us - row.opened_us > account.max_age_us)
        ):
            short.append(len(used))
        used.append(total)
        limits.append(limit)
    if short:
        db.executemany(_TOUCH, [(hold.at_us, account.name, account.window) for account in hold.accounts])
        return Verdict(short=tuple(short), standings=tuple(_standings(db, hold, rows)))
    kept, claims = [], []
    for account, amount, row in zip(hold.accounts, hold.amounts, rows, strict=True):
        if row.is_new:
            _open(db, account, row, at_us=hold.at_us)
        kept.append((*divmod(row.held + amount, UNIT), hold.at_us, account.name, account.window))
        claims.append((account.name, account.window, *divmod(amount, UNIT)))
    db.executemany(_HOLD, kept)
    db.execute("INSERT INTO hold VALUES (?, ?, ?)", (hold.id, worker, msgspec.msgpack.encode(claims)))
    # Whoever holds something has a lease, lest a hold outlives a worker that died before its first beat.
    db.execute(_LEASE, (worker, hold.at_us + lease_us, hold.at_us))
    return Verdict(tuple(used), tuple(limits))


def settle(db: sqlite3.Connection, hold: Hold, amounts: Sequence[int]) -> None:
    """Replace a hold by what was really used."""
    claims = list(zip(hold.accounts, hold.amounts, amounts, strict=True))
    if db.execute("DELETE FROM hold WHERE id = ?", (hold.id,)).rowcount == 0:
        # Not granted, or its lease has ended: it claims of its accounts only now.
        claims = [(account, 0, amount) for account, _, amount in claims if amount]
        _open_missing(db, [account for account, _, _ in claims], at_us=hold.at_us)
    spends = _spends(db, claims, at_us=hold.at_us)
    if db.executemany(_SPEND, spends).rowcount < len(spends):
        # An account in which nothing was held was forgotten meanwhile.
        missing = _open_missing(db, hold.accounts, at_us=hold.at_us)
        db.executemany(_SPEND, [one for one in spends if one[-2:] in missing])


def balances(db: sqlite3.Connection, accounts: Sequence[Account], *, at_us: int) -> list[Balance]:
    """How accounts stand; changes nothing."""
    return [Balance(row.spent, row.held) for row in _rows(db, accounts, at_us=at_us, is_reading=True)]


def beat(db: sqlite3.Connection, worker: str, *, at_us: int, lease_us: int) -> None:
    """Renew a worker's lease and return what dead ones held."""
    db.execute("INSERT OR REPLACE INTO worker VALUES (?, ?)", (worker, at_us + lease_us))
    for (name,) in db.execute("SELECT name FROM worker WHERE alive_until_us < ?", (at_us,)).fetchall():
        bury(db, name)


def bury(db: sqlite3.Connection, worker: str) -> None:
    """End a worker: it holds nothing any more."""
    returned = []
    for (claims,) in db.execute("SELECT claims FROM hold WHERE worker = ?", (worker,)):
        for name, window, whole, rest in _decode_claims.decode(claims):
            returned.append((0, 0, 0, whole, rest, name, window))
    db.executemany(_SPEND, returned)
    db.execute("DELETE FROM hold WHERE worker = ?", (worker,))
    db.execute("DELETE FROM worker WHERE name = ?", (worker,))


def forget_idle(db: sqlite3.Connection, *, after: tuple[str, int], most: int, at_us: int) -> tuple[str, int] | None:
    """Forget the idle among the next accounts in order of name; returns the last one looked at, ``None`` at the end."""
    looked_at = db.execute(
        "SELECT name, window, "
        "idle_us IS NOT NULL AND used_us + idle_us < ? AND held_whole * 1000000000000 + held_rest = 0 FROM account "
        "WHERE (name, window) > (?, ?) ORDER BY name, window LIMIT ?",
        (at_us, *after, most),
    ).fetchall()
    idle = [(name, window) for name, window, is_idle in looked_at if is_idle]
    db.executemany("DELETE FROM account WHERE name = ? AND window = ?", idle)
    db.executemany("DELETE FROM part WHERE name = ?", [(name,) for name, window in idle if not window])
    return (looked_at[-1][0], looked_at[-1][1]) if len(looked_at) == most else None


def seeded(db: sqlite3.Connection) -> list[Spot]:
    """Every spot that was stated."""
    return [Spot(*row) for row in db.execute("SELECT account, window, bucket FROM seed")]


def seed(db: sqlite3.Connection, spots: Iterable[tuple[Spot, int]]) -> None:
    """State what each of these spots had spent before the counting began; 0 withdraws a statement."""
    for spot, amount in spots:
        key = (spot.account, spot.window, spot.bucket)
        row = db.execute("SELECT whole, rest FROM seed WHERE account = ? AND window = ? AND bucket = ?", key).fetchone()
        before = joined(*row) if row else 0
        if amount == before:
            continue
        if amount:
            db.execute("INSERT OR REPLACE INTO seed VALUES (?, ?, ?, ?, ?)", (*key, *split(amount)))
        else:
            db.execute("DELETE FROM seed WHERE account = ? AND window = ? AND bucket = ?", key)
        _change_spent(db, spot, amount - before)


def _change_spent(db: sqlite3.Connection, spot: Spot, change: int) -> None:
    """Carry a changed statement into an account that is in use already."""
    key = (spot.account, spot.window)
    row = db.execute(
        "SELECT spent_whole, spent_rest, oldest FROM account WHERE name = ? AND window = ?", key
    ).fetchone()
    if row is None or spot.bucket < row[2]:
        return
    if spot.bucket:
        db.execute(_ADD_PART, (spot.account, spot.bucket, *split(change)))
    db.execute(_SET_SPENT, (*split(joined(row[0], row[1]) + change), row[2], *key))


def _rows(db: sqlite3.Connection, accounts: Sequence[Account], *, at_us: int, is_reading: bool = False) -> list[_Row]:
    """The accounts in their order, without what has left a rolling window; new ones are made up, not kept."""
    names = [account.name for account in accounts]
    found = {
        (row[0], row[1]): _Row(
            row[2] * UNIT + row[3], row[4] * UNIT + row[5], None if row[6] is None else int(row[6]), row[7], row[8]
        )
        for row in db.execute(_SELECT.format(",".join("?" * len(names))), names)
    }
    rows = []
    for account in accounts:
        row = found.get((account.name, account.window))
        if row is None:
            row = _new_row(db, account, at_us=at_us)
        elif account.span_us:
            _prune(db, account, row, at_us=at_us, is_reading=is_reading)
        rows.append(row)
    return rows


def _new_row(db: sqlite3.Connection, account: Account, *, at_us: int) -> _Row:
    oldest = _oldest(account, at_us)
    spent = sum(joined(whole, rest) for _, whole, rest in _seeds(db, account, oldest))
    return _Row(spent, 0, account.limit, at_us, oldest, is_new=True)


def _seeds(db: sqlite3.Connection, account: Account, oldest: int) -> list[tuple[int, int, int]]:
    return db.execute(
        "SELECT bucket, whole, rest FROM seed WHERE account = ? AND window = ? AND bucket >= ?",
        (account.name, account.window, oldest),
    ).fetchall()


def _oldest(account: Account, at_us: int) -> int:
    """Number of the oldest part that counts; 0 for an account without parts."""
    return (at_us - account.span_us) // bucket_us(account.span_us) if account.span_us else 0


def _prune(db: sqlite3.Connection, account: Account, row: _Row, *, at_us: int, is_reading: bool) -> None:
    """Let go of what is entirely older than a rolling window."""
    oldest = _oldest(account, at_us)
    if oldest <= row.oldest:
        return
    gone = db.execute(
        "SELECT coalesce(sum(whole), 0), coalesce(sum(rest), 0) FROM part WHERE name = ? AND number < ?",
        (account.name, oldest),
    ).fetchone()
    row.spent -= joined(*gone)
    row.oldest = oldest
    if not is_reading:
        db.execute("DELETE FROM part WHERE name = ? AND number < ?", (account.name, oldest))
        db.execute(_SET_SPENT, (*split(row.spent), oldest, account.name, account.window))


def _open(db: sqlite3.Connection, account: Account, row: _Row, *, at_us: int) -> None:
    """Keep a new account, and what was stated about it."""
    limit = None if row.limit is None else str(row.limit)
    amounts = (*split(row.spent), 0, 0)
    db.execute(_OPEN, (account.name, account.window, *amounts, limit, at_us, at_us, account.idle_us, row.oldest))
    if account.span_us:
        db.executemany(_ADD_PART, [(account.name, *seed) for seed in _seeds(db, account, row.oldest)])


def _open_missing(db: sqlite3.Connection, accounts: Sequence[Account], *, at_us: int) -> set[tuple[str, int]]:
    """Open the accounts that are not there; returns their names and windows."""
    opened = set()
    for account, row in zip(accounts, _rows(db, accounts, at_us=at_us), strict=True):
        if row.is_new:
            _open(db, account, row, at_us=at_us)
            opened.add((account.name, account.window))
    db.executemany(_TOUCH, [(at_us, account.name, account.window) for account in accounts])
    return opened


def _spends(
    db: sqlite3.Connection, claims: Iterable[tuple[Account, int, int]], *, at_us: int
) -> list[tuple[int, int, int, int, int, str, int]]:
    """Parameters of `_SPEND` for accounts, what they held and what was used of them.

    An amount in a rolling window is added to its part, or left out where that is gone.
    """
    spends = []
    for account, held, amount in claims:
        counts = not (account.span_us and amount) or _add_to_part(db, account, amount, at_us=at_us)
        whole, rest = divmod(amount if counts else 0, UNIT)
        spends.append((whole, rest, rest, *divmod(held, UNIT), account.name, account.window))
    return spends


def _add_to_part(db: sqlite3.Connection, account: Account, amount: int, *, at_us: int) -> bool:
    number = at_us // bucket_us(account.span_us)
    row = db.execute("SELECT oldest FROM account WHERE name = ? AND window = 0", (account.name,)).fetchone()
    if row is not None and number < row[0]:
        return False
    db.execute(_ADD_PART, (account.name, number, *split(amount)))
    return True


def _standings(db: sqlite3.Connection, hold: Hold, rows: Sequence[_Row]) -> Iterable[Standing]:
    for account, amount, row in zip(hold.accounts, hold.amounts, rows, strict=True):
        limit = row.limit if account.keeps_limit else account.limit
        excess = 0 if limit is None else row.spent + row.held + amount - limit
        free_us = None
        if account.span_us and excess > 0:
            parts = db.execute("SELECT number, whole, rest FROM part WHERE name = ?", (account.name,)).fetchall()
            pairs = [(number, joined(whole, rest)) for number, whole, rest in parts]
            free_us = free_at(pairs, span_us=account.span_us, excess=excess)
        yield Standing(spent=row.spent, held=row.held, limit=limit, opened_us=row.opened_us, free_us=free_us)
