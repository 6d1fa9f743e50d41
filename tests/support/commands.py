"""The command line in this process: the real services over one folder, with a clock that stands still."""

import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from bursar.catalog.compiled import packaged_path, write_sheet
from bursar.catalog.sheet import ModelNames, Sheet
from bursar.cli.main import run
from bursar.events import Record
from bursar.wiring.main import SystemServices
from support.cards import make_card
from support.ledger_records import DAY_US, START_US, FixedClock, write_spool

NOW_US = START_US + DAY_US

LISTED = Sheet(
    cards=(
        make_card("small", valid=(START_US - 30 * DAY_US, None)),
        make_card("small", usd={"input_mtok": "2", "output_mtok": "8"}, conditions=(("service_tier", "priority"),)),
        make_card("large", usd={"input_mtok": "10", "output_mtok": "40"}, above={200_000: {"input_mtok": "20"}}),
        make_card(
            "mini", provider="openai", usd={"input_mtok": "0.15", "output_mtok": "0.6", "cache_read_mtok": "0.07"}
        ),
    ),
    models=(
        ModelNames("acme", "small", aliases=("small-latest", "tiny"), context_window=128_000, max_output_tokens=4096),
        ModelNames("acme", "odd", unpriced_because="is charged by the mood"),
    ),
    known_at_us=START_US,
)
"""The price list that stands in for the package's, so that tables stay as they are when the package is updated."""

GOLDEN = Path(__file__).parents[1] / "cli" / "golden"


class Result(Struct, frozen=True):
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)

    def csv(self) -> list[dict[str, str]]:
        """Standard output as rows."""
        return list(csv.DictReader(io.StringIO(self.out)))


class Commands:
    """Runs commands on a folder of their own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.data_dir = folder / "bursar-data"
        self.config = folder / "bursar.toml"
        self.clock = FixedClock(NOW_US)
        self._capture = capture
        self.configure("")
        write_sheet(packaged_path(self.data_dir), LISTED)

    def configure(self, text: str) -> None:
        """Write the configuration."""
        self.config.write_text(f"[ledger]\nmemory_limit_mb = 256\n{text}")

    def record(self, records: Iterable[Record], *, worker: str = "w") -> None:
        """Put records into the ledger."""
        write_spool(self.data_dir, worker, records)

    def __call__(self, *arguments: str) -> Result:
        """Run one command line with this folder's configuration."""
        services = SystemServices()
        services.clock = self.clock
        self._capture.readouterr()
        code = run(services, [*arguments, "--config", str(self.config)])
        out, err = self._capture.readouterr()
        return Result(code, out, err)

    def golden(self, name: str, text: str) -> None:
        """Compare with a kept output; ``BURSAR_GOLDEN=write`` keeps this one instead."""
        path = GOLDEN / f"{name}.txt"
        text = text.replace(str(self.folder), "FOLDER")
        if os.environ.get("BURSAR_GOLDEN") == "write":
            path.write_text(text, encoding="utf-8")

        assert path.read_text(encoding="utf-8") == text
