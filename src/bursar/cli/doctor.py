"""`bursar doctor`: what is well and what is not."""

from pathlib import Path

import click

from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice, print_rows


@click.command()
@format_option
@config_option
@click.pass_context
def doctor(context: click.Context, *, form: Format, config_path: Path | None) -> None:
    """Check configuration, data folder, control state, gateway, ledger, counters against the ledger, prices and keys.

    Works with a running gateway and without. The exit code is 1 when a check fails; warnings alone leave it 0.
    """
    rows = context.obj.doctor(config_path)
    print_rows(rows, columns=("check", "state", "detail"), form=form)
    failed = sum(row["state"] == "fail" for row in rows)
    if failed:
        notice(f"Checks that failed: {failed}.")
        context.exit(1)
