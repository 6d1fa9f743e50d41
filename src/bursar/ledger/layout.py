"""Where each part of the ledger lies below the data directory."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Layout(Struct, frozen=True):
    """The ledger's paths."""

    data_dir: Path

    @property
    def spool(self) -> Path:
        """Append-only files of the workers."""
        return self.data_dir / "spool"

    @property
    def quarantine(self) -> Path:
        """Damaged ends of spool files and records that could not become rows, kept for a person to look at."""
        return self.data_dir / "quarantine"

    @property
    def segments(self) -> Path:
        """Rows as Parquet, one folder a day."""
        return self.data_dir / "segments"

    @property
    def rollups(self) -> Path:
        """Hourly sums of days whose rows were dropped."""
        return self.data_dir / "rollups"

    @property
    def manifest(self) -> Path:
        """The commit point: which segments are live and how far each spool file was read."""
        return self.data_dir / "manifest.json"

    @property
    def index(self) -> Path:
        """The rebuildable DuckDB file."""
        return self.data_dir / "index.duckdb"

    @property
    def lock(self) -> Path:
        """Held by the one process that owns segments, manifest and index."""
        return self.data_dir / "ledger.lock"

    @property
    def socket(self) -> Path:
        """Where the ledger process answers questions."""
        return self.data_dir / "ledger.sock"

    def segment(self, day: str, name: str) -> Path:
        """One segment's file."""
        return self.segments / f"day={day}" / f"{name}.parquet"

    def rollup(self, day: str) -> Path:
        """The file that keeps a dropped day's sums."""
        return self.rollups / f"{day}.parquet"


def day_of(at_us: int) -> str:
    """The UTC day of an instant as ``YYYY-MM-DD``; raises OverflowError outside the years 1 to 9999."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%d")


def day_start_us(day: str) -> int:
    """The first instant of a UTC day; raises ValueError when it is not written ``YYYY-MM-DD``."""
    start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    return (start - _EPOCH) // timedelta(microseconds=1)
