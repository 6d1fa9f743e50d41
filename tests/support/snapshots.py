"""Snapshots of configurations, built as the product builds them, on a small price list."""

from pathlib import Path

from bursar.catalog.compiled import packaged_path, write_sheet
from bursar.config import parse_config
from bursar.gateway.state import Snapshot
from bursar.wiring.build import build_snapshot
from bursar.wiring.control import ControlLink
from support.commands import LISTED
from support.ledger_records import FixedClock


def snapshot_of(
    text: str,
    data_dir: Path,
    *,
    environ: dict[str, str] | None = None,
    simulator_url: str | None = "http://127.0.0.1:9",
    control: ControlLink | None = None,
) -> Snapshot:
    """The snapshot of a configuration."""
    write_sheet(packaged_path(data_dir), LISTED)
    return build_snapshot(
        parse_config(text, source="test"),
        data_dir=data_dir,
        environ=environ or {},
        clock=FixedClock(),
        simulator_url=simulator_url,
        control=control,
    )


def provider(name: str, **settings: object) -> str:
    """TOML of one provider."""
    lines = [f'name = "{name}"']
    for key, value in {"dialect": name, **settings}.items():
        lines.append(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    return "\n".join(["[[providers]]", *lines, ""])
