"""Checks of what is known about money: the ledger, counters against it, prices."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.catalog.snapshot import Catalog
from bursar.clock import US_PER_S, format_us
from bursar.counters.accounts import BudgetAccount, accounts_of
from bursar.errors import BursarError, GatewayUnavailable
from bursar.ledger.client import LedgerClient
from bursar.ledger.questions import Health, ReportQuestion
from bursar.money import parse_usd
from bursar.policy.refusals import quantity
from bursar.policy.rules import Rules
from bursar.wiring.doctor.finding import Finding, fail, ok, warn
from bursar.wiring.running import RunningGateway

DAY_US: Final = 24 * 3600 * US_PER_S

OLD_PRICES_US: Final = 45 * DAY_US
"""Providers change prices about once a month."""

BEHIND_BYTES: Final = 64 << 20
"""A ledger that has more to load is behind: some eighty thousand calls."""

_MOST_NAMED: Final = 5


def ledger_checks(health: Health) -> Iterator[Finding]:
    """Every figure of the ledger that should be nothing."""
    troubles = [
        *(("fail", one) for one in health.damage),
        *(("fail", f"{one} cannot be read further") for one in health.unreadable),
    ]
    if health.expired:
        troubles.append(("warn", f"{health.expired:,} records came after their day had been dropped and are not kept"))
    if health.waiting_corrections:
        troubles.append(("warn", f"{health.waiting_corrections:,} corrections wait for rows that were never seen"))
    if health.unread_bytes > BEHIND_BYTES:
        troubles.append(("warn", f"{health.unread_bytes >> 20:,} MB of records are not loaded yet"))
    for state, text in troubles:
        yield fail("ledger", text) if state == "fail" else warn("ledger", text)
    if not troubles:
        yield ok("ledger", f"{health.store.rows:,} rows in {health.segments:,} segments, nothing lost or damaged")


def price_checks(catalog: Catalog, ledger: LedgerClient, *, now_us: int) -> Iterator[Finding]:
    """Whether prices are fresh, and whether anything is used that has none."""
    age_us = now_us - catalog.known_at_us
    text = f"as of {format_us(catalog.known_at_us)[:10]}"
    if age_us > OLD_PRICES_US:
        yield warn("prices", f"{text}, {age_us // DAY_US} days old; update genai-prices or `bursar prices import`")
    else:
        yield ok("prices", text)
    question = ReportQuestion(
        by=("provider", "requested_model"), since_us=now_us - 7 * DAY_US, filters=(("price_status", "unpriced"),)
    )
    groups = [row.group for row in ledger.ask(question).rows]
    names = ", ".join("/".join(str(value or "?") for value in group) for group in groups[:_MOST_NAMED])
    if groups:
        more = f" and {len(groups) - _MOST_NAMED:,} more" if len(groups) > _MOST_NAMED else ""
        yield warn("unpriced", f"used in the last seven days and not (wholly) priced: {names}{more}; add [[prices]]")
    else:
        yield ok("unpriced", "nothing that was used in the last seven days lacks a price")


class Drift(Struct, frozen=True):
    """An account on which counters and ledger differ by more than what happened meanwhile."""

    account: BudgetAccount
    counted: int
    """What counters say, at the nearer of two looks."""

    @property
    def text(self) -> str:
        """In words."""
        rule, whose = self.account.rule, self.account.gate.subject
        name = rule.name + (f" ({whose})" if whose else "")
        counted, spent = (quantity(one, rule.measure) for one in (self.counted, self.account.spent))
        return f"budget '{name}': counters say {counted}, the ledger {spent}"


def counter_checks(gateway: RunningGateway, rules: Rules, ledger: LedgerClient, *, now_us: int) -> Iterator[Finding]:
    """Counters against the ledger, which is asked between two looks at them.

    A settlement is counted before it is recorded, and spend only grows, so what the ledger says must lie between the
    two looks. Rolling windows move while one looks and are left out.
    """
    check = "counters"
    try:
        before = _counted(gateway)
        known = accounts_of(rules, ledger.ask, at_us=now_us)
        after = _counted(gateway)
    except GatewayUnavailable:
        yield ok(check, "no gateway is running that counts")
        return
    except BursarError as failed:
        yield fail(check, str(failed))
        return
    accounts = [
        account
        for some in known.values()
        for account in some
        if not account.rule.span_us and {(account.rule.name, account.gate.subject)} <= before.keys() & after.keys()
    ]
    drifts = [one for one in (_drift(account, before, after) for account in accounts) if one is not None]
    for one in drifts:
        if one.counted < one.account.spent:
            yield fail(check, f"{one.text}: too little is counted; corrections may take five minutes")
        else:
            yield warn(check, f"{one.text}: too much is counted, until its period ends or the gateway is started again")
    if not drifts:
        yield ok(check, f"{len(accounts):,} budget accounts agree with the ledger")


def _counted(gateway: RunningGateway) -> Mapping[tuple[str, str], int]:
    """What counters say was spent, by budget and account: of each budget the fullest."""
    listed: list[dict[str, Any]] = gateway.ask("/budgets")
    found = {}
    for row in listed:
        spent = row["spent_tokens"] if row["spent_usd"] is None else int(parse_usd(row["spent_usd"]))
        if spent is not None:
            found[row["name"], row["account"] or ""] = spent
    return found


def _drift(
    account: BudgetAccount, before: Mapping[tuple[str, str], int], after: Mapping[tuple[str, str], int]
) -> Drift | None:
    name = (account.rule.name, account.gate.subject)
    least, most = before[name], max(before[name], after[name])
    if least <= account.spent <= most:
        return None
    return Drift(account, least if account.spent < least else most)
