"""What is said when the gateway is up."""

from pathlib import Path

from bursar.wiring.admin import AdminTokenFile
from bursar.wiring.banner import banner
from support.snapshots import provider, snapshot_of

KEY = '[[keys]]\nname = "k"\nkey = "env:K"\n'


def test_built_in(tmp_path):
    """Simulated providers and missing keys are said plainly, with a command that works."""
    token = AdminTokenFile("bsa-new", tmp_path / "admin-token", is_new=True)
    told = banner(snapshot_of(provider("openai", simulated=True), tmp_path), port=4321, path=None, token=token)

    assert "Bursar listens on http://127.0.0.1:4321" == told.splitlines()[0]
    assert "built in (no bursar.toml here)" in told
    assert "openai (no key set: answers are made up, nothing is charged)" in told
    assert "anybody on this machine may call" in told
    assert f"bsa-new (shown this once; it is kept in {tmp_path / 'admin-token'})" in told
    assert "curl http://127.0.0.1:4321/v1/chat/completions" in told


def test_configured(tmp_path):
    """Real providers and the file are named; with keys nobody is said to get in without."""
    text = f'[server]\nhost = "::1"\n{provider("openai", api_key="env:K")}{KEY}'
    token = AdminTokenFile("bsa-old", tmp_path / "admin-token", is_new=False)
    told = banner(snapshot_of(text, tmp_path, environ={"K": "secret"}), port=1, path=Path("b.toml"), token=token)

    assert "Bursar listens on http://[::1]:1" == told.splitlines()[0]
    assert "b.toml" in told
    assert "openai" in told
    assert not {"simulated", "anybody", "secret", "bsa-old"} & set(told.split())
