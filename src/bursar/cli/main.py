"""The command line's entry: the command tree, and one place where errors become messages and exit codes."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from bursar import __version__
from bursar.cli.lazy import LazyGroup
from bursar.errors import BursarError, ControlUnavailable, GatewayUnavailable, LedgerUnavailable

if TYPE_CHECKING:
    from bursar.cli.services import Services

EXIT_WRONG: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_STOPPED: Final = 130

_UNREACHABLE: Final = (LedgerUnavailable, GatewayUnavailable, ControlUnavailable)

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("bursar.cli.serve:serve", "Run the gateway, the ledger and the console."),
    "report": ("bursar.cli.report:report", "Spend over a window, grouped by anything."),
    "explain": ("bursar.cli.explain:explain", "Why one call cost what it did."),
    "keys": ("bursar.cli.keys:keys", "Make, look at, rotate and end virtual keys."),
    "budgets": ("bursar.cli.budgets:budgets", "Look at budgets, make, change and top them up."),
    "prices": ("bursar.cli.prices:prices", "Look at prices, check them, import them, apply them."),
    "doctor": ("bursar.cli.doctor:doctor", "What is well with configuration, data and money, and what is not."),
    "replay": ("bursar.cli.replay:replay", "Play a recorded trace against the gateway."),
    "simulate": ("bursar.cli.simulate:simulate", "Run a simulated provider."),
}
"""Every command: where it is and what the listing says of it."""


@click.group(
    cls=LazyGroup,
    places=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 the answer is no; 2 wrong usage or configuration; 3 ledger or gateway unreachable; "
    "130 stopped by Ctrl-C.",
)
@click.version_option(__version__, prog_name="bursar")
def cli() -> None:
    """Bursar: the AI FinOps gateway and ledger.

    It sits in front of every LLM API you use and knows exactly what each request costs and why. Start it with
    `bursar serve`, point your SDK's base URL at it, then ask `bursar report` and `bursar explain`.
    """


def run(services: "Services", arguments: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    try:
        code = cli.main(args=arguments, obj=services, standalone_mode=False, prog_name="bursar")
        sys.stdout.flush()
    except click.Abort:
        click.echo("stopped", err=True)
        return EXIT_STOPPED
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except BursarError as wrong:
        click.echo(f"bursar: {wrong}", err=True)
        return EXIT_UNREACHABLE if isinstance(wrong, _UNREACHABLE) else EXIT_WRONG
    except (BrokenPipeError, SystemExit) as stopped:
        # click and rich make an exit with status 1 of a reader (head, less) that went away.
        if not isinstance(stopped, BrokenPipeError) and not isinstance(stopped.__context__, BrokenPipeError):
            raise
        # Nothing may be written to it again while Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
