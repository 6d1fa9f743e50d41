"""The rules in force: what the file declares and what was made at run time, compiled as one set."""

from collections.abc import Iterable

from msgspec import structs

from bursar.config import Budget, Config, digest_of
from bursar.control.state import ControlState
from bursar.control.values import TopUpRecord
from bursar.errors import ConfigError
from bursar.policy.rules import Extra, Rules, Whose
from bursar.policy.stems import measure_of


def rules_of(config: Config, control: ControlState | None, *, now_us: int) -> tuple[Rules, str]:
    """The compiled rules, and the digest of the configuration together with the budgets made at run time.

    Raises ConfigError for rules that contradict themselves or each other, and ControlUnavailable.
    """
    if control is None:
        return compiled(config, ()), digest_of(config)
    made = tuple(record.budget for record in control.budgets.every())
    whole = structs.replace(config, budgets=(*config.budgets, *made))
    return compiled(config, made, control.top_ups.active(now_us)), digest_of(whole)


def compiled(config: Config, made: Iterable[Budget], top_ups: Iterable[TopUpRecord] = ()) -> Rules:
    """The rules of a file and of budgets made at run time; raises ConfigError for what contradicts itself."""
    made = tuple(made)
    taken = {one.name for one in config.budgets} & {one.name for one in made}
    if taken:
        name = min(taken)
        raise ConfigError(
            f"[[budgets]] '{name}': a budget of that name was made with `bursar budgets create`. Give this one another "
            f"name, or `bursar budgets delete {name}`"
        )
    budgets = (*config.budgets, *made)
    try:
        return Rules(budgets=budgets, limits=config.limits, runs=config.runs, extras=extras_of(budgets, top_ups))
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def extras_of(budgets: Iterable[Budget], top_ups: Iterable[TopUpRecord]) -> tuple[Extra, ...]:
    """Top-ups as rules see them; one whose budget is gone, or counts something else by now, adds nothing."""
    by_name = {one.name: one for one in budgets}
    extras = []
    for top_up in (record.top_up for record in top_ups):
        budget = by_name.get(top_up.budget)
        if budget is None or (top_up.account is not None and len(top_up.account) != len(budget.per)):
            continue
        amount = top_up.pico if measure_of(budget) == "usd" else top_up.tokens
        if amount is not None:
            extras.append(Extra(budget.name, amount, _whose(top_up.account), top_up.from_us, top_up.until_us))
    return tuple(extras)


def _whose(account: tuple[str, ...] | None) -> Whose | None:
    return account[0] if account is not None and len(account) == 1 else account
