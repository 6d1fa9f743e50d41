"""Which parts of which page are generated, and how they are put in their place."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bursar.wiring.reference.commands import commands
from bursar.wiring.reference.routes import routes
from bursar.wiring.reference.settings import json_schema, settings

SCHEMA: Final = "bursar.schema.json"

PARTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "configuration.md": {"settings": settings},
    "cli.md": {"commands": commands},
    "routes.md": {"routes": routes},
}
"""Generated parts by page and name."""

_PART: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def rendered(folder: Path) -> dict[Path, str]:
    """Every generated page as it should be; raises ValueError when a page lacks the place of one of its parts."""
    pages = {folder / name: render((folder / name).read_text("utf-8"), parts) for name, parts in PARTS.items()}
    pages[folder / SCHEMA] = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    return pages


def render(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The page with its parts filled in; what stands between them is left as it is."""
    found = [name for _, name, _ in _PART.findall(page)]
    if sorted(found) != sorted(parts):
        raise ValueError(f"the page has places for {found or 'nothing'} and should have one for each of {list(parts)}")
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match[2]]().strip()}\n\n{match[3]}", page)
