"""`bursar keys rotate`."""

from pathlib import Path

import click

from bursar.cli.keys.book import opened_book
from bursar.cli.keys.secret import print_secret
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice
from bursar.clock import format_us
from bursar.when import parse_length


@click.command()
@click.argument("name")
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    metavar="LENGTH",
    help="How long the old secret stays valid: 30m, 24h, 7d; 0s ends it at once.",
)
@format_option
@config_option
@click.pass_context
def rotate(context: click.Context, *, name: str, overlap: str, form: Format, config_path: Path | None) -> None:
    """Give the key NAME a new secret and print it, once. Until the overlap ends, the old one works beside it."""
    try:
        overlap_us = parse_length(overlap)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--overlap") from None
    with opened_book(context.obj, config_path) as opened:
        issued = opened.book.rotate(name, overlap_us=overlap_us, author=opened.author)
    notice(f"The old secret of '{name}' ends at {format_us(opened.now_us + overlap_us)}.")
    print_secret(issued, form=form, now_us=opened.now_us)
