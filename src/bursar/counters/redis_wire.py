"""What `redis_book.lua` is told and answers: MessagePack, with amounts in two numbers (see `amounts`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from bursar.counters.amounts import UNIT, joined
from bursar.counters.protocol import Balance, Spot
from bursar.policy.claims import Account, Hold, Standing, Verdict, bucket_us, free_at

Greeting = tuple[int, int, bool]
"""Session, number of the worker's last settlement, and whether it is known to hold something."""

_Part = tuple[int, int, int]
_Granted = tuple[int, int, int | bool, int]
_Standing = tuple[int, int, int, int, int | bool, int, int, list[_Part]]
_Claim = tuple[str, int, int, int, int | None, int, bool, int, int, int | None, int | None]

_encode: Final = msgspec.msgpack.Encoder().encode
_greeting: Final = msgspec.msgpack.Decoder(Greeting)
_outcome: Final = msgspec.msgpack.Decoder(tuple[list[int], msgspec.Raw])
_granted: Final = msgspec.msgpack.Decoder(list[_Granted])
_standings: Final = msgspec.msgpack.Decoder(list[_Standing])
_balances: Final = msgspec.msgpack.Decoder(list[tuple[int, int, int, int]])


def arguments(*given: object) -> bytes:
    """The arguments of an operation that is about no account."""
    return _encode(given)


def reserving(worker: str, session: int, hold: Hold, *, lease_us: int, is_forced: bool) -> bytes:
    """The arguments of `reserve`; what is forced is held whether there is room or not."""
    return _encode((worker, session, hold.id, hold.at_us, lease_us, is_forced, _claims(hold.accounts, hold.amounts)))


def settling(worker: str, session: int, number: int, hold: Hold, amounts: Sequence[int]) -> bytes:
    """The arguments of `settle`."""
    return _encode((worker, session, number, hold.id, hold.at_us, _claims(hold.accounts, amounts)))


def asking(accounts: Sequence[Account], *, at_us: int) -> bytes:
    """The arguments of `balances`."""
    return _encode((at_us, _claims(accounts, (0,) * len(accounts))))


def seeding(spots: Mapping[tuple[str, int], Mapping[int, int]]) -> bytes:
    """The arguments of `seed`: for accounts by name and window, what was spent by part."""
    accounts = [Account(name, window=window) for name, window in spots]
    parts = [[(number, *divmod(amount, UNIT)) for number, amount in one.items()] for one in spots.values()]
    return _encode((_claims(accounts, (0,) * len(accounts)), parts))


def by_account(spent: Mapping[Spot, int], before: Iterable[tuple[str, int]]) -> dict[tuple[str, int], dict[int, int]]:
    """Statements by account; those of ``before`` that are not stated any more have none."""
    found: dict[tuple[str, int], dict[int, int]] = {key: {} for key in before}
    for spot, amount in spent.items():
        found.setdefault((spot.account, spot.window), {})[spot.bucket] = amount
    return found


def read_greeting(answer: bytes) -> Greeting:
    """The answer to `hello`."""
    greeting: Greeting = _greeting.decode(answer)
    return greeting


def read_verdict(answer: bytes, hold: Hold) -> Verdict:
    """The answer to `reserve`."""
    short, found = _outcome.decode(answer)
    if short:
        standings = _standings.decode(found)
        return Verdict(short=tuple(short), standings=tuple(map(_read_standing, hold.accounts, hold.amounts, standings)))
    granted = _granted.decode(found)
    return Verdict(
        tuple([whole * UNIT + rest for whole, rest, _, _ in granted]),
        tuple([_limit(limit, limit_rest) for _, _, limit, limit_rest in granted]),
    )


def read_balances(answer: bytes) -> list[Balance]:
    """The answer to `balances`."""
    return [Balance(joined(one[0], one[1]), joined(one[2], one[3])) for one in _balances.decode(answer)]


def seeded_account(field: bytes) -> tuple[str, int]:
    """Name and window of an account that was seeded, from its field in the store."""
    window, _, name = field.decode().partition("|")
    return name, int(window)


def _claims(accounts: Sequence[Account], amounts: Sequence[int]) -> list[_Claim]:
    claims = []
    for account, amount in zip(accounts, amounts, strict=True):
        whole, rest = divmod(amount, UNIT)
        limit, limit_rest = (None, 0) if account.limit is None else divmod(account.limit, UNIT)
        span_us = account.span_us
        claims.append(
            (
                account.name,
                account.window,
                whole,
                rest,
                limit,
                limit_rest,
                account.keeps_limit,
                span_us,
                bucket_us(span_us) if span_us else 1,
                account.idle_us,
                account.max_age_us,
            )
        )
    return claims


def _limit(whole: int | bool, rest: int) -> int | None:  # noqa: FBT001 - Lua's false stands for none
    return None if whole is False else joined(whole, rest)


def _read_standing(account: Account, amount: int, found: _Standing) -> Standing:
    spent, held = joined(found[0], found[1]), joined(found[2], found[3])
    limit = _limit(found[4], found[5])
    excess = 0 if limit is None else spent + held + amount - limit
    free_us = None
    if account.span_us and excess > 0:
        pairs = [(number, joined(whole, rest)) for number, whole, rest in found[7]]
        free_us = free_at(pairs, span_us=account.span_us, excess=excess)
    return Standing(spent=spent, held=held, limit=limit, opened_us=found[6], free_us=free_us)
