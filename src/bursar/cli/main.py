"""The command line's entry: the command tree, and one place where errors become messages and exit codes."""

import os
import sys
from typing import Final

import click

from bursar import __version__
from bursar.cli.report import explain, report
from bursar.cli.serve import serve, simulate
from bursar.cli.services import Services
from bursar.errors import BursarError, LedgerUnavailable

_EXIT_WRONG: Final = 2
_EXIT_UNREACHABLE: Final = 3
_EXIT_STOPPED: Final = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 the answer is no; 2 wrong usage or configuration; 3 ledger or gateway unreachable.",
)
@click.version_option(__version__, prog_name="bursar")
def cli() -> None:
    """Bursar: the AI FinOps gateway and ledger.

    It sits in front of every LLM API you use and knows exactly what each request costs and why. Start it with
    `bursar serve`, point your SDK's base URL at it, then ask `bursar report` and `bursar explain`.
    """


for command in (serve, simulate, report, explain):
    cli.add_command(command)


def run(services: Services, arguments: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    try:
        code = cli.main(args=arguments, obj=services, standalone_mode=False, prog_name="bursar")
    except click.Abort:
        click.echo("stopped", err=True)
        return _EXIT_STOPPED
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except BursarError as wrong:
        click.echo(f"bursar: {wrong}", err=True)
        return _EXIT_UNREACHABLE if isinstance(wrong, LedgerUnavailable) else _EXIT_WRONG
    except BrokenPipeError:
        # The reader (head, less) went away; nothing may be written to it again while Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
