"""The configuration file: strict, and helpful when wrong."""

import pytest

from bursar.config import Config, digest_of, json_schema, load_config, parse_config
from bursar.errors import ConfigError


def test_empty_file_is_valid():
    """Everything has a default."""
    assert Config() == parse_config("", source="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nprot = 1", r"x: unknown key 'prot' in \[server\]; did you mean 'port'\?"),
        ("[sever]\nport = 1", r"unknown key 'sever' in \[top level\]; did you mean 'server'\?"),
        ("[[providers]]\nname='a'\ndialect='openai'\napikey='env:A'", r"\[providers\[0\]\]; did you mean 'api_key'\?"),
        ("[server]\nport = 'x'", r"server.port: Expected `int`, got `str`"),
        ("[server]\nport = 70000", r"server.port: Expected `int` <= 65535"),
        ("[[providers]]\nname='a'\ndialect='opena'", r"providers\[0\].dialect: Invalid enum value 'opena'"),
        ("[server", r"x: not valid TOML"),
        ("[[keys]]\nname='a'\nkey='env:A'\n[[keys]]\nname='a'\nkey='env:B'", r"\[\[keys\]\] name 'a' is used twice"),
    ],
)
def test_wrong_settings(text, message):
    """An error names the file, the place, the value and the nearest valid spelling."""
    with pytest.raises(ConfigError, match=message):
        parse_config(text, source="x")


def test_missing_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"cannot read .*nope.toml: No such file"):
        load_config(tmp_path / "nope.toml")


def test_digest_follows_content():
    """Equal settings have equal digests, whatever the text; different settings differ."""
    one = parse_config("[server]\nport = 1\nhost = '127.0.0.1'", source="x")
    same = parse_config("# comment\n[server]\nhost = '127.0.0.1'\nport = 1", source="y")
    other = parse_config("[server]\nport = 2", source="x")

    assert digest_of(one) == digest_of(same)
    assert digest_of(one) != digest_of(other)


def test_schema_names_every_section():
    """The published JSON Schema covers the whole file."""
    sections = json_schema()["$defs"]["Config"]["properties"]

    assert {"server", "relay", "providers", "keys", "tags", "prices"} <= set(sections)
