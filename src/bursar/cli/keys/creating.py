"""`bursar keys create`."""

from pathlib import Path

import click
import msgspec

from bursar.cli.keys.book import opened_book
from bursar.cli.keys.secret import print_secret
from bursar.cli.options import config_option, format_option, pair
from bursar.cli.output import Format, notice
from bursar.clock import format_us
from bursar.config import KeyGrant
from bursar.when import parse_ahead


@click.command()
@click.argument("name")
@click.option("--organisation", default="", metavar="NAME", help="Who is charged.")
@click.option("--team", default="", metavar="NAME", help="Who is charged.")
@click.option("--project", default="", metavar="NAME", help="Who is charged.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Default tag; repeat for more.")
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Allowed model, such as gpt-5*; repeat for more."
)
@click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="NAME",
    help="Allowed dialect or operation: openai, chat.completions, embeddings …; repeat for more.",
)
@click.option(
    "--allow-tag",
    "allowed",
    multiple=True,
    metavar="NAME=VALUE",
    help="Allowed value of a tag, as environment=prod; repeat for more. Tags that are not named are free.",
)
@click.option("--network", "networks", multiple=True, metavar="CIDR", help="Allowed network; repeat for more.")
@click.option("--expires", metavar="WHEN", help="When it ends: 90d from now, 2027-01-01 …  [default: never]")
@format_option
@config_option
@click.pass_context
def create(
    context: click.Context,
    /,
    *,
    name: str,
    tags: tuple[str, ...],
    allowed: tuple[str, ...],
    expires: str | None,
    form: Format,
    config_path: Path | None,
    **terms: str | tuple[str, ...],
) -> None:
    """Make a virtual key called NAME and print its secret, once.

    The secret goes to standard output and everything else to standard error, so KEY=$(bursar keys create ci) works.
    What is not restricted is allowed.
    """
    with opened_book(context.obj, config_path) as opened:
        is_first = opened.book.is_empty()
        grant = {
            **terms,
            "name": name,
            "tags": dict(pair(text, form="NAME=VALUE", option="--tag") for text in tags),
            "allow_tags": _allowed(allowed),
            "expires_at": None if expires is None else _expiry(expires, opened.now_us),
        }
        try:
            issued = opened.book.create(msgspec.convert(grant, KeyGrant), opened.author)
        except msgspec.ValidationError as wrong:
            raise click.UsageError(f"{name}: {wrong}") from None
        if is_first:
            notice("It is the first key: from now on, calls without a key are refused.")
        print_secret(issued, form=form, now_us=opened.now_us)


def _allowed(texts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    allowed: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, value = pair(text, form="NAME=VALUE", option="--allow-tag")
        allowed[name] = (*allowed.get(name, ()), value)
    return allowed


def _expiry(text: str, now_us: int) -> str:
    try:
        return format_us(parse_ahead(text, now_us=now_us))
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--expires") from None
