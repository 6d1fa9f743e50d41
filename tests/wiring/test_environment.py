"""Configuration files, secrets, and the built-in configuration."""

from pathlib import Path

import pytest

from bursar.config import parse_config
from bursar.errors import ConfigError
from bursar.wiring.environment import Overrides, data_dir, default_config, read_config, secret, with_overrides


def providers_of(environ: dict[str, str]) -> dict[str, tuple[str | None, bool]]:
    """Of the built-in configuration: each provider's key and whether it is simulated."""
    return {one.name: (one.api_key, one.simulated) for one in default_config(environ).providers}


def test_no_keys_no_network():
    """Without any key every provider is simulated."""
    assert dict.fromkeys(("openai", "anthropic", "gemini", "azure", "bedrock"), (None, True)) == providers_of({})


def test_keys_make_providers_real():
    """A provider whose SDK's variable is set is real; one whose variable is empty is not."""
    found = providers_of({"ANTHROPIC_API_KEY": "sk-1", "OPENAI_API_KEY": ""})

    assert ("env:ANTHROPIC_API_KEY", False) == found["anthropic"]
    assert (None, True) == found["openai"]


def test_built_in_is_local():
    """The built-in configuration listens on loopback alone."""
    assert "127.0.0.1" == default_config({}).server.host


def test_read_config(tmp_path, monkeypatch):
    """The named file, else ./bursar.toml, else the built-in one, which has no file."""
    monkeypatch.chdir(tmp_path)
    assert (4100, None) == (read_config(None, {})[0].server.port, read_config(None, {})[1])
    Path("bursar.toml").write_text("[server]\nport = 1\n")
    Path("other.toml").write_text("[server]\nport = 2\n")

    assert [(1, Path("bursar.toml")), (2, Path("other.toml"))] == [
        (config.server.port, source) for config, source in (read_config(None, {}), read_config(Path("other.toml"), {}))
    ]


def test_named_file_must_exist(tmp_path):
    """A file that was named is never replaced by a default."""
    with pytest.raises(ConfigError, match=r"none\.toml: No such file.*--config"):
        read_config(tmp_path / "none.toml", {})


def test_data_dir(tmp_path, monkeypatch):
    """The data folder is relative to the file, or to here without one; an absolute one stays."""
    monkeypatch.chdir(tmp_path)
    config = parse_config("", source="test")
    elsewhere = parse_config('[server]\ndata_dir = "/var/lib/x"\n', source="test")

    assert tmp_path / "sub" / "bursar-data" == data_dir(config, Path("sub/bursar.toml"))
    assert tmp_path / "bursar-data" == data_dir(config, None)
    assert Path("/var/lib/x") == data_dir(elsewhere, Path("sub/bursar.toml"))


def test_secrets(tmp_path):
    """Variables and files are read and trimmed."""
    path = tmp_path / "key"
    path.write_text("from-file\n")

    assert b"from-env" == secret("env:KEY", {"KEY": " from-env "}, what="it")
    assert b"from-file" == secret(f"file:{path}", {}, what="it")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:KEY", "it: environment variable KEY is not set"),
        ("file:/nowhere/key", "it: cannot read /nowhere/key"),
        ("sk-plain", "it: write the secret as 'env:NAME' or 'file:PATH', not in the file itself"),
        ("sk:plain", "it: write the secret as"),
    ],
)
def test_no_secret(reference, message):
    """What cannot be resolved is an error that names what it is for, and never the secret."""
    with pytest.raises(ConfigError, match=message) as refused:
        secret(reference, {"KEY": ""}, what="it")

    assert "plain" not in str(refused.value)


def test_overrides():
    """Only what was given on the command line replaces the configuration."""
    config = parse_config('[server]\nhost = "::1"\nport = 5\n', source="test")
    changed = with_overrides(config, Overrides(port=0, data_dir="d", workers=3)).server

    assert ("::1", 0, "d", 3) == (changed.host, changed.port, changed.data_dir, changed.workers)
    assert config == with_overrides(config, Overrides())
