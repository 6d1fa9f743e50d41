"""What accounts hold that no settlement of this gateway brought them: the spots for `Counters.seed`, from the ledger.

An account in counters is the sum of what this gateway's settlements added to it and of its seed. So that the sum is the
ledger's truth, the seed must hold exactly the attempts that were *not* settled into the account here:

- those admitted before the counting began (``began_us``), whoever served them;
- of the later ones, those admitted under a configuration in which the account did not exist. Every row names the
  configuration in force at its admission, and a rule that comes to count something else gets an account of another name
  (`policy.stems`), so the digests of the configurations that knew an account (``counted``) tell the two kinds apart,
  whichever worker swapped its configuration when. An attempt of a configuration that nobody remembers is taken for one
  that was not counted: too much is the safe side.
- What corrections changed about attempts that were counted; settlements know nothing of it.

Budgets are asked for in groups, one question for all that name the same dimensions over the same window, so ten
thousand of them cost a handful of questions. A budget counts what matches it or any budget below it, once.

What the ledger does not know comes back empty after a restart: how often a run repeated the same request, the ceiling
that its first request stated (the next one states it again) and when it began.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.counters.protocol import Spot
from bursar.events import Principal
from bursar.ledger.questions import TAG_PREFIX, Charge, ChargesQuestion
from bursar.policy.claims import bucket_us
from bursar.policy.decide import budget_account, whose_of
from bursar.policy.match import Index
from bursar.policy.period import ALWAYS, Window
from bursar.policy.rules import DIMENSIONS, BudgetRule, Rules
from bursar.policy.runs import RUN_IDLE_US, SPEED, SPENT, STEPS, VELOCITY_SPAN_US, run_stem, scope_of

LATE_US: Final = 900 * US_PER_S
"""For so long after its end a window is still seeded: attempts admitted in it may be retried."""

RECENT_US: Final = 24 * 3600 * US_PER_S
"""Runs that have been silent for longer are not rebuilt."""

_RUN_DIMENSIONS: Final = ("organisation", "team", "key", "task")

Counted = Callable[[BudgetRule], tuple[str, ...]]
"""Digests of the configurations under which this gateway counted a budget as it counts now, sorted."""


class Inquiry(Struct, frozen=True):
    """A question, and the accounts that its answer is for: those of some budgets in one window, or those of runs."""

    question: ChargesQuestion
    budgets: tuple[BudgetRule, ...] = ()
    window: Window = ALWAYS
    index: Index[BudgetRule] = Index(())
    """From the facts of a group to the budgets that count it."""

    def spots(self, charges: Iterable[Charge]) -> Iterator[tuple[Spot, int]]:
        """What the answer adds to which parts of accounts."""
        return self._budget_spots(charges) if self.budgets else self._run_spots(charges)

    def _budget_spots(self, charges: Iterable[Charge]) -> Iterator[tuple[Spot, int]]:
        names = tuple(map(_fact_of, self.question.by))
        for charge in charges:
            facts = dict(zip(names, charge.group, strict=True))
            for rule in dict.fromkeys(self.index.find(facts)):
                account = budget_account(rule, whose_of(rule.budget.per, facts))
                amount = charge.pico if rule.measure == "usd" else charge.tokens
                yield Spot(account, self.window.start_us, charge.bucket), amount

    def _run_spots(self, charges: Iterable[Charge]) -> Iterator[tuple[Spot, int]]:
        for charge in charges:
            organisation, team, key, task = charge.group
            stem = run_stem(scope_of(Principal(organisation, team, "", key)), task)
            if self.question.bucket_us is None:
                yield Spot(stem + SPENT), charge.pico
                yield Spot(stem + STEPS), charge.attempts
            else:
                yield Spot(stem + SPEED, 0, charge.bucket), charge.pico


def inquiries(rules: Rules, *, at_us: int, began_us: int, counted: Counted) -> Iterator[Inquiry]:
    """All that must be asked at an instant to seed the accounts of these rules."""
    yield from _run_inquiries(at_us, began_us)
    yield from budget_inquiries(rules, at_us=at_us, began_us=began_us, counted=counted)


def budget_inquiries(rules: Rules, *, at_us: int, began_us: int, counted: Counted) -> Iterator[Inquiry]:
    """Those that are for budgets."""
    below = _below(rules)
    groups: dict[_Key, list[BudgetRule]] = {}
    for rule in rules.by_name.values():
        by = _dimensions(rule, below)
        for window in dict.fromkeys((rule.period.window(at_us), rule.period.window(at_us - LATE_US))):
            groups.setdefault(_Key(by, window, rule.span_us, counted(rule)), []).append(rule)
    for key, budgets in groups.items():
        index = Index((one.budget.match, rule) for rule in budgets for one in below[rule.name])
        for question in _questions(key, at_us=at_us, began_us=began_us):
            yield Inquiry(question, tuple(budgets), key.window, index)


class _Key(Struct, frozen=True):
    """What budgets have in common that one question is for."""

    by: tuple[str, ...]
    window: Window
    span_us: int
    counted: tuple[str, ...]


def _questions(key: _Key, *, at_us: int, began_us: int) -> Iterator[ChargesQuestion]:
    by = tuple(map(_dimension_of, key.by))
    length = bucket_us(key.span_us) if key.span_us else None
    start_us = key.window.start_us if length is None else (at_us - key.span_us) // length * length
    end_us = key.window.end_us
    if start_us < began_us:
        until_us = began_us if end_us is None else min(began_us, end_us)
        yield ChargesQuestion(by=by, since_us=start_us, until_us=until_us, bucket_us=length)
    if end_us is None or began_us < end_us:
        since_us = max(start_us, began_us)
        yield ChargesQuestion(by=by, since_us=since_us, until_us=end_us, bucket_us=length, counted=key.counted)


def _run_inquiries(at_us: int, began_us: int) -> Iterator[Inquiry]:
    """Runs are rebuilt from what came before the counting; a rule for runs that is added later counts from then on."""
    if began_us > at_us - RECENT_US:
        yield Inquiry(
            ChargesQuestion(
                by=_RUN_DIMENSIONS,
                since_us=at_us - RUN_IDLE_US,
                until_us=began_us,
                must_have=("task",),
                active_since_us=at_us - RECENT_US,
            )
        )
    length = bucket_us(VELOCITY_SPAN_US)
    since_us = (at_us - VELOCITY_SPAN_US) // length * length
    if began_us > since_us:
        yield Inquiry(
            ChargesQuestion(
                by=_RUN_DIMENSIONS, since_us=since_us, until_us=began_us, must_have=("task",), bucket_us=length
            )
        )


def _below(rules: Rules) -> Mapping[str, tuple[BudgetRule, ...]]:
    """Every budget's own rule and those of all budgets below it, by name."""
    below: dict[str, list[BudgetRule]] = {name: [] for name in rules.by_name}
    for rule in rules.by_name.values():
        above: BudgetRule | None = rule
        while above is not None:
            below[above.name].append(rule)
            above = above.parent
    return {name: tuple(members) for name, members in below.items()}


def _dimensions(rule: BudgetRule, below: Mapping[str, tuple[BudgetRule, ...]]) -> tuple[str, ...]:
    """The facts that decide which of a budget's accounts an attempt counts in, sorted."""
    names = set(rule.budget.per)
    for one in below[rule.name]:
        names.update(one.budget.match)
    return tuple(sorted(names))


def _dimension_of(fact: str) -> str:
    """A fact of a request as the ledger calls it."""
    if fact == "model":
        return "requested_model"
    return fact if fact in DIMENSIONS else f"{TAG_PREFIX}{fact}"


def _fact_of(dimension: str) -> str:
    return "model" if dimension == "requested_model" else dimension.removeprefix(TAG_PREFIX)
