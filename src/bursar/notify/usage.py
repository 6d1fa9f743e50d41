"""What the ledger's last day shows: models in use that have no price, and spend that lacks its tags.

One worker asks, every minute. Each alert stays open while it is so, and a model or a day's coverage is raised anew at
most once a day.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

from bursar.clock import US_PER_S, Clock
from bursar.config import AlertKind
from bursar.control.state import Alerts
from bursar.ledger.questions import Measures, Question, ReportQuestion, ReportRow
from bursar.money import format_usd
from bursar.notify.finding import Finding, finding
from bursar.notify.watch import Audience

DAY_US: Final = 24 * 3600 * US_PER_S

MOST: Final = 1_000
"""Models without a price that are told apart."""

A = TypeVar("A")


class Ledger(Protocol):
    """Whoever answers questions about the ledger."""

    async def ask(self, question: Question[A]) -> A:
        """Answer a question; raises LedgerUnavailable."""
        ...


class Usage:
    """Watches the ledger. `look` is meant to run every minute; raises LedgerUnavailable and ControlUnavailable."""

    def __init__(
        self, ledger: Ledger, alerts: Alerts, clock: Clock, *, tagged_percent: Callable[[], int], audience: Audience
    ) -> None:
        """``tagged_percent`` gives the share of spend that must be tagged."""
        self._ledger: Final = ledger
        self._alerts: Final = alerts
        self._clock: Final = clock
        self._tagged_percent: Final = tagged_percent
        self._audience: Final = audience

    async def look(self) -> None:
        """Raise what is new, resolve what is over."""
        at_us = self._clock.now_us()
        unpriced = await self._ledger.ask(_last_day(at_us, by=("provider", "requested_model"), filters=NO_PRICE))
        total = (await self._ledger.ask(_last_day(at_us))).total
        await self._settle("unpriced_usage", [_unpriced(row, at_us) for row in unpriced.rows], at_us)
        percent = self._tagged_percent()
        lacking = [_untagged(total, percent, at_us)] if _is_lacking(total, percent) else []
        await self._settle("untagged_spend", lacking, at_us)

    async def _settle(self, kind: AlertKind, found: Iterable[Finding], at_us: int) -> None:
        await asyncio.to_thread(self._bring_up_to_date, kind, {one.alert.subject: one for one in found}, at_us)

    def _bring_up_to_date(self, kind: AlertKind, found: dict[str, Finding], at_us: int) -> None:
        """Make the open alerts of a kind those that were found."""
        there = {one.alert.subject: one for one in self._alerts.unresolved(kind=kind, limit=MOST)}
        for subject in found.keys() - there.keys():
            one = found[subject]
            self._alerts.raise_once(one.key, one.alert, to=self._audience(kind))
        for subject in there.keys() - found.keys():
            self._alerts.resolve(there[subject].id, at_us=at_us)


NO_PRICE: Final = (("price_status", "unpriced"), ("card", ""))
"""Usage whose model has no price; usage that is unknown has a card."""


def _last_day(at_us: int, *, by: tuple[str, ...] = (), filters: tuple[tuple[str, str], ...] = ()) -> ReportQuestion:
    return ReportQuestion(by=by, since_us=at_us - DAY_US, filters=filters, limit=MOST)


def _unpriced(row: ReportRow, at_us: int) -> Finding:
    provider, model = (str(value or "?") for value in row.group)
    count = row.measures.unpriced_requests
    return finding(
        "unpriced_usage",
        f"{provider}/{model}/{at_us // DAY_US}",
        severity="warning",
        subject=f"{provider}/{model}",
        message=(
            f"Model '{model}' of provider '{provider}' is in use and has no price: what {count:,} attempts of the last "
            "24 hours cost is unknown."
        ),
        at_us=at_us,
        data={"provider": provider, "model": model, "attempts": count},
    )


def _is_lacking(total: Measures, percent: int) -> bool:
    cost = total.cost or 0
    return cost > 0 and (cost - total.untagged_cost) * 100 < percent * cost


def _untagged(total: Measures, percent: int, at_us: int) -> Finding:
    cost = total.cost or 0
    share = (cost - total.untagged_cost) * 100 // cost
    return finding(
        "untagged_spend",
        f"{at_us // DAY_US}",
        severity="warning",
        subject="tags",
        message=(
            f"{share} % of the spend of the last 24 hours bears every tag its rules ask for, less than {percent} %: "
            f"${format_usd(total.untagged_cost)} of ${format_usd(cost)} lacks some."
        ),
        at_us=at_us,
        data={
            "tagged_percent": share,
            "wanted_percent": percent,
            "untagged_usd": format_usd(total.untagged_cost),
            "cost_usd": format_usd(cost),
            "untagged_requests": total.untagged_requests,
        },
    )
