"""Security headers on every answer, and no answer to names that are not this machine's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.console.guard import CONTENT_SECURITY_POLICY, is_loopback
from support.console import CONFIG, RunningConsole

KEYS = '[server]\nhost = "0.0.0.0"\n[[keys]]\nname = "k"\nkey = "env:K"\n'


@pytest.mark.parametrize(
    "path", ["/", "/requests", "/nothing", "/api/v1/report", "/api/v1/nothing", "/metrics", "/healthz"]
)
def test_headers(console, path):
    """Pages, the API, errors and probes carry the same headers."""
    headers = console.get(path).headers

    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4100", "127.0.0.1", "127.1.2.3:80", "[::1]:4100", "[::1]"])
def test_local_names(console, host):
    """Every way to name this machine is served."""
    assert console.get("/api/v1/openapi.json", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:4100",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "",
        "[::2]",
        "10.0.0.1",
        None,
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/report", "/requests/call-000001", "/metrics"])
def test_other_names(console, path, host):
    """A web site that points its own name here reads nothing (DNS rebinding)."""
    answer = console.get(path, host=host)

    assert answer.status in {400, 421}
    assert "call-" not in answer.text


def test_probes_by_any_name(console):
    """An orchestrator may probe by whatever name it knows."""
    assert [console.get(path, host="pod-7.cluster").status for path in ("/healthz", "/readyz")] == [200, 200]


def test_off_loopback(console, tmp_path):
    """A gateway that listens for others is reached by its name, and its pages say that there is no login."""
    with RunningConsole(tmp_path, config=KEYS + CONFIG, environ={"K": "key"}, prices=console.folder) as shared:
        answer = shared.get("/", host="bursar.example")

        assert answer.status == 200
        assert "No login." in answer.text
    assert "No login." not in console.get("/").text


@given(st.text(max_size=20))
def test_names_never_raise(host):
    """Whatever a header holds, it is a loopback name or it is not."""
    assert is_loopback(host) in {True, False}
