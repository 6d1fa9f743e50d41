"""What the gateway process does without."""

import subprocess
import sys


def test_no_engine_in_the_gateway():
    """The process that relays calls never loads the ledger's engine: it takes half a second and some 60 MB."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, bursar.wiring.serve; print({'duckdb', 'pyarrow'} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "set()" == told.stdout.strip()
