"""Entry point of the ledger process: ``python -m bursar.ledger DATA_DIR STOP_FD READY_FD SETTINGS_JSON``."""

import logging
import sys
from pathlib import Path

import msgspec

from bursar.config import Ledger as Settings
from bursar.errors import LedgerUnavailable
from bursar.ledger.running import run_ledger


def main(arguments: list[str]) -> int:
    """Run the ledger process; `bursar.ledger.process.LedgerProcess` is what starts it."""
    data_dir, stop_fd, ready_fd, settings = arguments
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        run_ledger(
            Path(data_dir),
            msgspec.json.decode(settings, type=Settings),
            int(stop_fd),
            ready_fd=int(ready_fd),
        )
    except LedgerUnavailable as unavailable:
        sys.stderr.write(f"ledger: {unavailable}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
