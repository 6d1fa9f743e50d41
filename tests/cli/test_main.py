"""The command tree, and how errors end."""

import os
import subprocess
import sys

import click
import pytest

from bursar.cli.main import COMMANDS, cli, run
from bursar.errors import BursarError, GatewayUnavailable, LedgerUnavailable
from bursar.wiring.main import SystemServices

HEAVY = ("duckdb", "pyarrow", "starlette", "uvicorn", "uvloop", "botocore", "rich", "msgspec", "genai_prices")


class Failing(SystemServices):
    """Services whose configuration cannot be had."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    def config(self, path):
        raise self.failure


def test_help(capsys):
    """Without a command the help lists every command."""
    assert run(SystemServices(), ["--help"]) == 0
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


def test_version(capsys):
    """The version is printed."""
    assert run(SystemServices(), ["--version"]) == 0
    assert capsys.readouterr().out.startswith("bursar, version ")


def test_every_command_loads():
    """Each place holds a command of that name."""
    for name in COMMANDS:
        command = cli.commands[name].load()

        assert name == command.name


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (BursarError("no"), 2),
        (LedgerUnavailable("gone"), 3),
        (GatewayUnavailable("gone"), 3),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (click.UsageError("no"), 2),
    ],
)
def test_exit_codes(failure, code, capsys):
    """Each kind of failure has its exit code and a message on standard error, without a traceback."""
    assert run(Failing(failure), ["report"]) == code
    out, err = capsys.readouterr()
    assert (out, "Traceback" in err) == ("", False)
    assert err.strip()


def test_programming_error_is_not_hidden():
    """What is not ours is raised."""
    with pytest.raises(ZeroDivisionError):
        run(Failing(ZeroDivisionError()), ["report"])


def test_unknown_command(capsys):
    """An unknown command exits 2."""
    assert run(SystemServices(), ["reprot"]) == 2
    assert "No such command 'reprot'" in capsys.readouterr().err


def test_missing_configuration(tmp_path, capsys):
    """A file that was named and is not there exits 2 and says what to do."""
    assert run(SystemServices(), ["report", "--config", str(tmp_path / "none.toml")]) == 2
    assert "give another file with --config" in capsys.readouterr().err


def test_help_loads_nothing():
    """The help costs no more than click."""
    code = (
        "import sys, bursar.wiring.main as m; m.run(m.SystemServices(), ['--help']);"
        f"print({set(HEAVY)} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.splitlines()[-1] == "set()"


def test_report_loads_no_engine():
    """Asking a ledger process needs neither its engine nor a server."""
    code = (
        "import sys, bursar.cli.report, bursar.ledger.client;"
        "print(sorted({'duckdb', 'pyarrow', 'uvicorn'} & sys.modules.keys()))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout == "[]\n"


def test_reader_goes_away(bursar):
    """A reader that stops reading, such as head, is no error."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        told = subprocess.run(
            [sys.executable, "-m", "bursar.wiring.main", "prices", "list", "--config", str(bursar.config)],
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (0, "") == (told.returncode, told.stderr)
