"""The options that state a budget's terms, the same for `create` and `edit`."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from bursar.cli.options import pair
from bursar.clock import US_PER_S
from bursar.when import parse_length

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option(
        "--match",
        multiple=True,
        metavar="DIM=VALUE",
        help="Which requests: team, project, key, provider, model, … or a tag; `*` is any text. Repeat a dimension for "
        "alternatives, others must match as well.",
    ),
    click.option(
        "--per", multiple=True, metavar="DIM", help="An account for each value, such as user; repeat for more."
    ),
    click.option("--parent", metavar="NAME", help="An envelope that this budget's spend counts against as well."),
    click.option("--usd", "limit_usd", metavar="AMOUNT", help="Most USD in a period."),
    click.option("--tokens", "limit_tokens", type=click.IntRange(min=1), metavar="N", help="Most tokens in a period."),
    click.option(
        "--period",
        type=click.Choice(["minute", "hour", "day", "week", "month", "rolling", "total"]),
        help="When it starts anew.  [default: month]",
    ),
    click.option("--window", metavar="LENGTH", help="Length of a rolling period: 90s, 30m, 24h, 7d."),
    click.option("--time-zone", metavar="ZONE", help="Where days, weeks and months begin.  [default: UTC]"),
    click.option(
        "--mode",
        type=click.Choice(["hard", "soft", "downgrade"]),
        help="Refuse, only alert, or prefer cheaper models.  [default: hard]",
    ),
    click.option(
        "--threshold",
        "thresholds",
        multiple=True,
        type=click.IntRange(1, 1000),
        metavar="PERCENT",
        help="Alert at this share of the limit; repeat for more.  [default: 50, 80, 100]",
    ),
    click.option(
        "--when-short",
        type=click.Choice(["refuse", "shrink", "stop"]),
        help="What a request that does not fit is met with.  [default: refuse]",
    ),
    click.option(
        "--unpriced",
        type=click.Choice(["refuse", "allow"]),
        help="What a request of unknown cost is met with.  [default: refuse]",
    ),
    click.option(
        "--on-failure",
        type=click.Choice(["closed", "open"]),
        help="Refuse or admit while nobody can count.  [default: closed if hard]",
    ),
)


def terms_options(command: Command) -> Command:
    """All of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def stated_terms(options: Mapping[str, Any]) -> dict[str, Any]:
    """The terms that were given, named and shaped as in `Budget`; raises BadParameter."""
    terms = {name: value for name, value in options.items() if value is not None and value != ()}
    if "match" in terms:
        terms["match"] = _match(terms["match"])
    if "window" in terms:
        try:
            terms["window_s"] = parse_length(terms.pop("window")) / US_PER_S
        except ValueError as wrong:
            raise click.BadParameter(str(wrong), param_hint="--window") from None
    return terms


def _match(texts: tuple[str, ...]) -> dict[str, str | tuple[str, ...]]:
    values: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, value = pair(text, form="DIM=VALUE", option="--match")
        values[name] = (*values.get(name, ()), value)
    return {name: some[0] if len(some) == 1 else some for name, some in values.items()}
