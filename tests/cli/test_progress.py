"""Progress bars."""

import os
import subprocess
import sys

CODE = "from bursar.cli.progress import progress\nwith progress('repricing', 10) as show: show(5)"


def test_terminal():
    """On a terminal the bar says what is done, of how much."""
    terminal, child_side = os.openpty()
    environ = os.environ | {"COLUMNS": "100", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", CODE], stderr=child_side, env=environ, check=True)
    os.close(child_side)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)

    assert "repricing" in shown
    assert "5/10" in shown


def test_no_terminal():
    """Elsewhere nothing is shown."""
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)

    assert ("", "") == (told.stdout, told.stderr)
