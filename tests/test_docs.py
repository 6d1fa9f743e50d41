"""Documentation that cannot lie: what the code has, the pages say, and what they link to is there."""

import ast
import re
from pathlib import Path

import pytest

from bursar.errors import REFUSALS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SOURCES = sorted((ROOT / "src" / "bursar").rglob("*.py"))

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
HEADER = re.compile(r"x-bursar-[a-z][a-z-]*[a-z]")


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def strings(path: Path) -> list[str]:
    """The strings of a source file that are not docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
    return [value.decode("latin-1") if isinstance(value, bytes) else value for value in values if _is_text(value)]


def _is_text(value: object) -> bool:
    return isinstance(value, str | bytes)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_resolve(path):
    """Every link within the repository leads to a file, and to a heading where it names one."""
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path

        assert other.exists(), f"{path.name} links to {target}"
        assert not anchor or anchor in anchors(other), f"{path.name} links to {target}"


def test_refusals():
    """Every refusal code is explained with its status, and no other is."""
    told = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", page("errors.md"), re.MULTILINE))

    assert {code: str(status) for code, status in REFUSALS.items()} == told


def test_headers():
    """Every header of ours that the code names is explained."""
    named = {header for path in SOURCES for text in strings(path) for header in HEADER.findall(text)}

    assert {"x-bursar-request-id", "x-bursar-cost-usd", "x-bursar-key"} <= named
    assert set() == {header for header in named - {"x-bursar-tag"} if f"`{header}" not in page("headers.md")}


def test_steering_headers():
    """Every header that steers the gateway, or is reserved to, is explained."""
    steering = re.compile(r'own\.get\("([a-z-]+)"')
    gateway = [path for path in SOURCES if path.parent.name == "gateway"]
    read = {name for path in gateway for name in steering.findall(path.read_text(encoding="utf-8"))}

    assert {"task", "task-type", "stream-cost"} <= read
    assert set() == {name for name in read if f"`x-bursar-{name}" not in page("headers.md")}


def test_explained_headers_exist():
    """No header is explained that nothing reads, sets or reserves."""
    named = "\n".join(text for path in SOURCES for text in strings(path))
    told = set(HEADER.findall(page("headers.md"))) - {"x-bursar-tag"}
    tags = {"team", "project", "organisation", "feature", "environment", "user", "customer", "use-case"}

    assert set() == {
        header
        for header in told
        if header not in named and (name := header.removeprefix("x-bursar-")) not in named.split() and name not in tags
    }
