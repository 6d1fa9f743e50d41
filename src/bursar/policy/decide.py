"""The decision about a request: which accounts it needs room in, and how much. Pure; the same inputs decide the same.

`decide` states the claims, counters grant or refuse them together, `refusals` says why not. Nothing here acts.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.errors import Refusal
from bursar.money import format_usd
from bursar.policy.claims import Account
from bursar.policy.gates import Gate, Measure
from bursar.policy.period import Window
from bursar.policy.rules import MINUTE_US, BudgetRule, LimitRule, Made, Matched, Rules, Whose
from bursar.policy.runs import Task, run_claims

_LINGER_US = 3600 * US_PER_S
"""How long an account outlives its window, so that late settlements still find it."""


class Ask(Struct, frozen=True):
    """What a decision depends on besides the rules."""

    at_us: int
    facts: Mapping[str, str]
    bound: int | None
    """The most the request may cost, picodollars; ``None`` when nobody can say."""
    unbounded: str = ""
    """Why there is no bound."""
    tokens: int | None = 0
    """The most tokens it may use, input and output; ``None`` when nobody can say."""
    likely_tokens: int = 0
    """Tokens it will probably use; what limits by the minute hold."""
    task: Task | None = None
    """The agent run it belongs to."""


class Decision(Struct, frozen=True):
    """What a request needs before it may be sent."""

    gates: tuple[Gate, ...] = ()
    amounts: tuple[int, ...] = ()
    """What to hold in each gate's account."""
    notes: tuple[str, ...] = ()
    """What was decided already, one sentence each."""

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The account of each gate."""
        return tuple([gate.account for gate in self.gates])


NOTHING_TO_HOLD = Decision()


def decide(matched: Matched, ask: Ask, rules: Rules) -> Decision:
    """State the claims of a request.

    Raises Refusal ``unpriced_model`` when a hard budget needs a bound that does not exist, ``cost_ceiling`` when the
    bound is above a limit's, and those of `run_claims`.
    """
    claims: dict[Gate, int] = {}
    notes: list[str] = []
    for limit in matched.limits:
        _check_cost(limit, ask)
        _claim_limit(limit, ask, rules, claims)
    if ask.task is not None:
        claims.update(run_claims(matched.run, ask.task, ask.bound, velocities=rules.velocities))
    for budget in matched.budgets:
        rule: BudgetRule | None = budget
        while rule is not None:
            amount = ask.bound if rule.measure == "usd" else ask.tokens
            per = rule.budget.per
            gate = budget_gate(rule, whose_of(per, ask.facts) if per else (), rules, at_us=ask.at_us)
            claims[gate] = _unbounded(rule, ask, notes) if amount is None else amount
            rule = rule.parent
    if not claims:
        return NOTHING_TO_HOLD
    return Decision(tuple(claims), tuple(claims.values()), tuple(notes))


def account_name(stem: str, per: tuple[str, ...], whose: Whose) -> str:
    """The name of the account of a rule's ``per`` dimensions with these values."""
    if not per:
        return stem
    if isinstance(whose, str):
        return f"{stem}|{per[0]}={_escaped(whose)}"
    named = [f"{name}={_escaped(value)}" for name, value in zip(per, whose, strict=True)]
    return f"{stem}|{'|'.join(named)}"


def budget_account(rule: BudgetRule, whose: Whose) -> str:
    """The name of a budget's account."""
    return account_name(rule.stem, rule.budget.per, whose)


def whose_in(rule: BudgetRule, account: str) -> Whose | None:
    """Whose account of a budget bears this name: `budget_account` turned round. ``None`` = it is none of its."""
    stem, *named = account.split("|")
    per = rule.budget.per
    if stem != rule.stem or len(named) != len(per):
        return None
    values = []
    for name, one in zip(per, named, strict=True):
        if not one.startswith(f"{name}="):
            return None
        values.append(one.removeprefix(f"{name}=").replace("%7C", "|").replace("%25", "%"))
    return values[0] if len(values) == 1 else tuple(values)


def _escaped(value: str) -> str:
    if "%" not in value and "|" not in value:
        return value
    return value.replace("%", "%25").replace("|", "%7C")


def whose_of(per: tuple[str, ...], facts: Mapping[str, str]) -> Whose:
    """Whose account a request with these facts counts against."""
    if len(per) == 1:
        return facts.get(per[0], "")
    return tuple([facts.get(one, "") for one in per]) if per else ()


def _unbounded(rule: BudgetRule, ask: Ask, notes: list[str]) -> int:
    """What to hold where the most a request may cost is not known."""
    if rule.is_hard:
        if rule.budget.unpriced == "refuse":
            what = "cost" if rule.measure == "usd" else "use"
            raise Refusal(
                "unpriced_model",
                f"Budget '{rule.name}' is hard, and the most this request may {what} is not known: {ask.unbounded}. "
                "Add a [[prices]] entry for the model, cap the request, or let the budget admit such requests with "
                'unpriced = "allow".',
            )
        notes.append(f"admitted without a hold in budget '{rule.name}': {ask.unbounded}")
    return 0


def budget_gate(rule: BudgetRule, whose: Whose, rules: Rules, *, at_us: int) -> Gate:
    """The gate of a budget's account at an instant."""
    window = rule.period.window(at_us)
    made = rules.recall(rule, whose)
    if made is None or made.window is not window:
        made = Made((_made_budget_gate(rule, whose, window, rules),), window)
        rules.remember(rule, whose, made)
    return made.gates[0]


def _made_budget_gate(rule: BudgetRule, whose: Whose, window: Window, rules: Rules) -> Gate:
    account = budget_account(rule, whose)
    budget = rule.budget
    limit = rules.limit_of(rule, whose, window)
    idle_us = None
    if rule.span_us:
        idle_us = 2 * rule.span_us + _LINGER_US
    elif window.end_us is not None:
        idle_us = window.end_us - window.start_us + _LINGER_US
    return Gate(
        kind="budget",
        name=rule.name,
        measure=rule.measure,
        account=Account(
            name=account,
            window=window.start_us,
            limit=limit if rule.is_hard else None,
            span_us=rule.span_us,
            idle_us=idle_us,
        ),
        limit=limit,
        mode=budget.mode,
        is_closed=rule.is_closed,
        when_short=budget.when_short,
        subject=account.partition("|")[2].replace("|", ", ") if budget.per else "",
        resets_us=window.end_us,
        hint=f"ask for a top-up (bursar budgets topup {rule.name})",
    )


def _claim_limit(rule: LimitRule, ask: Ask, rules: Rules, claims: dict[Gate, int]) -> None:
    per = rule.limit.per
    whose = whose_of(per, ask.facts) if per else ()
    made = rules.recall(rule, whose)
    if made is None:
        made = Made(tuple(_limit_gates(rule, account_name(f"limit/{rule.name}", per, whose))))
        rules.remember(rule, whose, made)
    for gate in made.gates:
        # What alone is more than a minute's worth has to wait for an idle minute, not for ever.
        claims[gate] = min(ask.likely_tokens, gate.limit) if gate.measure == "tokens" else 1


def _limit_gates(rule: LimitRule, stem: str) -> Iterator[Gate]:
    limit = rule.limit
    if limit.requests_per_minute is not None:
        yield _limit_gate(rule, stem, "requests", limit.requests_per_minute)
    if limit.tokens_per_minute is not None:
        yield _limit_gate(rule, stem, "tokens", limit.tokens_per_minute)
    if limit.concurrency is not None:
        yield _limit_gate(rule, stem, "concurrency", limit.concurrency)


def _limit_gate(rule: LimitRule, stem: str, measure: Measure, most: int) -> Gate:
    is_rate = measure != "concurrency"
    return Gate(
        kind="limit",
        name=rule.name,
        measure=measure,
        account=Account(name=f"{stem}#{measure}", limit=most, span_us=MINUTE_US if is_rate else 0, idle_us=_LINGER_US),
        limit=most,
        is_closed=rule.limit.on_failure == "closed",
        subject=stem.partition("|")[2].replace("|", ", "),
        code="rate_limited" if is_rate else "concurrency_limited",
        hint="retry then" if is_rate else "retry when others are done",
    )


def _check_cost(rule: LimitRule, ask: Ask) -> None:
    """Refuse what may cost more than one request may; an unknown cost is no cost below the ceiling."""
    if rule.max_cost is None:
        return
    if ask.bound is None:
        raise Refusal(
            "unpriced_model",
            f"Limit '{rule.name}' caps what a request may cost, and the most this one may cost is not known: "
            f"{ask.unbounded}.",
        )
    if ask.bound > rule.max_cost:
        raise Refusal(
            "cost_ceiling",
            f"This request may cost up to ${format_usd(ask.bound)}; limit '{rule.name}' allows "
            f"${format_usd(rule.max_cost)} a request. Lower max_tokens, send less, or choose a cheaper model.",
        )
