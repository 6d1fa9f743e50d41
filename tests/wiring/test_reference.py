"""The generated parts of the documentation."""

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bursar.cli.main import COMMANDS
from bursar.config import Config, DialectName, parse_config
from bursar.dialects.registry import dialect_for
from bursar.gateway.routes import RouteTable, owns
from bursar.wiring.reference.__main__ import reference
from bursar.wiring.reference.commands import helps
from bursar.wiring.reference.markdown import table
from bursar.wiring.reference.pages import PARTS, SCHEMA, render
from bursar.wiring.reference.routes import filled, metered_routes
from bursar.wiring.reference.settings import attribute_docs, json_schema, sections, settings
from support.snapshots import provider, snapshot_of

DOCS = Path(__file__).parents[2] / "docs"

PAGE = "# By hand\n\n<!-- generated: settings -->\nold\n<!-- end -->\n\nMore by hand.\n"


@pytest.fixture
def docs(tmp_path) -> Path:
    """A copy of the pages."""
    for name in (*PARTS, SCHEMA):
        (tmp_path / name).write_bytes((DOCS / name).read_bytes())
    return tmp_path


def run(*arguments: object):
    """Run the generator."""
    return CliRunner().invoke(reference, [str(one) for one in arguments])


def test_pages_are_up_to_date():
    """What is committed is what the code says."""
    result = run(DOCS, "--check")

    assert (0, "") == (result.exit_code, result.output)


def test_stale_pages_are_named(docs):
    """A page that says something else, or is missing, is named and left alone."""
    (docs / "cli.md").write_text((docs / "cli.md").read_text().replace("bursar report", "bursar spend"))
    (docs / SCHEMA).unlink()
    result = run(docs, "--check")

    assert 1 == result.exit_code
    assert [str(docs / "cli.md"), str(docs / SCHEMA)] == [line.split()[0] for line in result.stderr.splitlines()]
    assert not (docs / SCHEMA).exists()


def test_writing_brings_them_up_to_date(docs):
    """Writing repairs what a check complains about, and a second time changes nothing."""
    (docs / SCHEMA).unlink()
    assert run(docs).exit_code == 0
    first = {path.name: path.read_text() for path in docs.iterdir()}
    run(docs)

    assert run(docs, "--check").exit_code == 0
    assert first == {path.name: path.read_text() for path in docs.iterdir()}


def test_render_keeps_what_is_written_by_hand():
    """Only what stands between the marks is replaced."""
    page = render(PAGE, {"settings": lambda: "new"})

    assert page == PAGE.replace("\nold\n", "\n\nnew\n\n")
    assert page == render(page, {"settings": lambda: "new"})


@pytest.mark.parametrize("page", ["# nothing\n", PAGE + PAGE, PAGE.replace("settings", "others")])
def test_render_needs_a_place(page):
    """A page without exactly one place for each part is an error, not a page without it."""
    with pytest.raises(ValueError, match="should have one for each of"):
        render(page, {"settings": lambda: "new"})


def test_table():
    """Bars in a cell do not end it."""
    assert table(("a", "b"), [("1|2", "3")]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 |"


def test_every_setting_is_told():
    """Each key of each table is there, with its docstring."""
    page, docs = settings(), attribute_docs()

    for name, kind, is_array in sections():
        title = f"[[{name}]]" if is_array else f"[{name}]"
        section = page.partition(f"### `{title}`")[2].partition("\n### ")[0]
        for field in msgspec.structs.fields(kind):
            assert f"| `{field.encode_name}` |" in section
            assert docs[kind.__name__, field.name].replace("|", "\\|") in section


def test_every_table_is_told():
    """No top-level key is left out."""
    assert [field.encode_name for field in msgspec.structs.fields(Config)] == [name for name, _, _ in sections()]


def test_schema():
    """The schema knows every table, forbids unknown keys and says what each key means."""
    schema = json_schema()

    assert schema["$ref"] == "#/$defs/Config"
    for _, kind, _ in sections():
        definition = schema["$defs"][kind.__name__]
        assert definition["additionalProperties"] is False
        assert all(field.get("description") for field in definition["properties"].values())
    assert json.loads(json.dumps(schema)) == json.loads((DOCS / SCHEMA).read_text())


def test_every_command_is_told():
    """Each command, and each of a group, has its help on the page."""
    page = (DOCS / "cli.md").read_text()
    told = dict(helps())

    assert {"bursar", *(f"bursar {name}" for name in COMMANDS), "bursar prices reprice"} <= told.keys()
    assert all(f"## `{path}`" in page for path in told)
    groups = {"bursar", *(f"bursar {name}" for name in ("budgets", "keys", "prices"))}
    assert all("--config FILE" in text for path, text in told.items() if path not in groups)


def test_listed_routes_are_routed(tmp_path):
    """Each listed path reaches the operation that is listed beside it."""
    names = ("openai", "anthropic", "gemini", "azure", "bedrock")
    more = {"azure": {"base_url": "http://127.0.0.1:1"}, "bedrock": {"region": "r"}}
    text = "".join(provider(name, simulated=True, **more.get(name, {})) for name in names)
    routes: RouteTable = snapshot_of(text, tmp_path).routes
    listed = list(metered_routes())

    assert {one.dialect for one in listed} == set(names)
    for one in listed:
        path = filled(one.path)
        endpoint = routes.route(one.method, path).endpoint
        assert owns(path)
        assert (one.dialect, one.operation, one.is_billable) == (
            endpoint.dialect,
            endpoint.operation,
            endpoint.billable,
        )


def test_named_providers_are_told():
    """The page names every OpenAI-compatible dialect."""
    page = (DOCS / "routes.md").read_text()
    family = {name for name in DialectName.__args__ if dialect_for(name).routes == dialect_for("openai").routes}

    assert all(f"`{name}`" in page for name in family)


@pytest.mark.parametrize("name", ["configuration.md", "pricing.md"])
def test_examples_parse(name):
    """Every TOML example is a configuration that this version takes."""
    examples = re.findall(r"```toml\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)

    assert examples
    for example in examples:
        assert tomllib.loads(example)
        parse_config(example, source=name)
