"""What the simulator puts on the wire and in its books, seen from a bare socket."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.simulator.account import Entry
from bursar.simulator.faults import Fault
from bursar.simulator.settings import SimulatorSettings
from support.simulator import RunningSimulator, simulator

CHAT = "/v1/chat/completions"


def body_of(*, stream: bool = False, text: str = "What now?") -> bytes:
    """A chat request."""
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "stream": stream}
    return json.dumps(asked).encode()


def packet(path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "POST") -> bytes:
    """A whole HTTP/1.1 request whose answer ends the connection."""
    lines = {"host": "x", "content-length": str(len(body)), "connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def talk(provider: RunningSimulator, sent: bytes) -> tuple[bytes, bool]:
    """What came back until the connection ended, and whether it was reset."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", provider.port), timeout=20) as line:
        line.sendall(sent)
        try:
            while data := line.recv(65536):
                received += data
        except ConnectionResetError:
            return bytes(received), True
    return bytes(received), False


def exchange(provider: RunningSimulator, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and raw body of an answer that was not broken off."""
    received, was_reset = talk(provider, sent)
    assert not was_reset
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body


@pytest.mark.parametrize("stream", [False, True])
def test_same_seed_same_answer(stream: bool):  # noqa: FBT001
    """Another process with the same seed gives the same text and counts, whatever the order; another seed does not."""
    answers = []
    for seed, order in ((5, "ab"), (5, "ba"), (6, "ab")):
        with simulator(SimulatorSettings(latency_scale=0, seed=seed)) as provider:
            for text in order:
                exchange(provider, packet(CHAT, body_of(stream=stream, text=text)))
            entries = provider.entries(2)
        answers.append(sorted((entry.request_sha256, entry.response_bytes, str(entry.usage)) for entry in entries))

    assert answers[0] == answers[1] != answers[2]


def test_steered(provider: RunningSimulator):
    """Headers fix every count of an answer."""
    headers = {"x-sim-input-tokens": "5000", "x-sim-cached-tokens": "4096", "x-sim-output-tokens": "77"}
    _, _, body = exchange(provider, packet(CHAT, body_of(), headers))

    usage = json.loads(body)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (5000, 77)
    assert provider.last().quantities == {"input_text": 904, "cache_read": 4096, "output_text": 77}


def test_bad_steering(provider: RunningSimulator):
    """A steering header that cannot be followed is refused and not billed."""
    status, _, body = exchange(provider, packet(CHAT, body_of(), {"x-sim-output-tokens": "many"}))

    assert (status, "x-sim-output-tokens" in body.decode(), provider.last().billed) == (400, True, False)


def test_own_latency_is_told(provider: RunningSimulator):
    """The head says how long the provider itself took to begin."""
    _, headers, _ = exchange(provider, packet(CHAT, body_of()))

    assert float(headers["x-sim-elapsed-ms"]) >= 0


def test_entry_shows_what_arrived(provider: RunningSimulator):
    """The account names the credential, the headers, the request id and the exact body."""
    body = body_of()
    exchange(
        provider, packet(CHAT, body, {"authorization": "Bearer sk-1", "x-request-id": "r-7", "x-bursar-team": "a"})
    )

    entry = provider.last()
    assert (entry.credential, entry.request_id, entry.request_bytes) == ("sk-1", "r-7", len(body))
    assert "x-bursar-team" in entry.header_names


def test_keys():
    """With keys set, every other credential is refused."""
    with simulator(SimulatorSettings(latency_scale=0, api_keys=("good",))) as provider:
        statuses = [
            exchange(provider, packet(CHAT, body_of(), {"authorization": f"Bearer {key}"}))[0]
            for key in ("good", "bad")
        ]

    assert statuses == [200, 401]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1beta/models/x:nothing", "/model/x/nothing", "/"])
def test_unknown_path(provider: RunningSimulator, path: str):
    """A path no provider has is not found, and is in the account all the same."""
    status, _, _ = exchange(provider, packet(path, b"{}"))

    assert (status, provider.last().operation) == (404, "unknown")


def test_reset_before_head(provider: RunningSimulator):
    """The connection is reset before a byte of the answer; what was generated is billed."""
    received, was_reset = talk(provider, packet(CHAT, body_of(), {"x-sim-fault": "reset-before-head"}))

    entry = provider.last()
    assert (received, was_reset) == (b"", True)
    assert (entry.status, entry.was_reset, entry.billed, entry.usage_sent) == (0, True, True, False)


@pytest.mark.parametrize("stream", [False, True])
def test_reset_mid_stream(provider: RunningSimulator, stream: bool):  # noqa: FBT001
    """Half of the answer arrives, then the connection is reset; what was generated until then is billed."""
    whole, _ = talk(provider, packet(CHAT, body_of(stream=stream)))
    received, was_reset = talk(provider, packet(CHAT, body_of(stream=stream), {"x-sim-fault": "reset-mid-stream"}))

    full, half = provider.entries(2)
    assert was_reset
    assert 0.2 * len(whole) < len(received) < 0.9 * len(whole)
    assert half.was_reset
    assert half.quantities["output_text"] < full.quantities["output_text"] if stream else half.billed


def test_reasoning_is_generated_first(provider: RunningSimulator):
    """Of an answer that broke off, all the reasoning is billed and only the text that had come."""
    asked = body_of(stream=True).replace(b"gpt-4o-mini", b"o4-mini")
    headers = {"x-sim-fault": "reset-mid-stream", "x-sim-output-tokens": "90", "x-sim-reasoning-tokens": "50"}
    talk(provider, packet(CHAT, asked, headers))

    quantities = provider.last().quantities
    assert quantities["output_reasoning"] == 50
    assert 10 < quantities["output_text"] < 30


@pytest.mark.parametrize("stream", [False, True])
def test_truncate(provider: RunningSimulator, stream: bool):  # noqa: FBT001
    """HTTP ends properly, the answer does not."""
    _, headers, body = exchange(provider, packet(CHAT, body_of(stream=stream), {"x-sim-fault": "truncate"}))

    entry = provider.last()
    assert b"[DONE]" not in body
    assert stream or len(body) == int(headers["content-length"])
    assert (entry.billed, entry.usage_sent, entry.client_left) == (True, False, False)


@pytest.mark.parametrize(
    ("fault", "expected"), [("malformed-usage", {"foo": 0, "bar": "many"}), ("missing-usage", None)]
)
def test_usage_on_the_wire(provider: RunningSimulator, fault: str, expected: object):
    """A broken usage object is not the account's."""
    _, _, body = exchange(provider, packet(CHAT, body_of(), {"x-sim-fault": fault}))

    entry = provider.last()
    assert json.loads(body).get("usage") == expected
    assert (entry.billed, entry.usage_sent, entry.usage["total_tokens"] > 0) == (True, False, True)


def test_client_leaves():
    """A caller who hangs up is noticed, and charged for what was generated until then."""
    patient = SimulatorSettings(first_token_ms=0, token_ms=5, token_sigma=0)
    with simulator(patient) as provider:
        with socket.create_connection(("127.0.0.1", provider.port), timeout=20) as line:
            line.sendall(packet(CHAT, body_of(stream=True), {"x-sim-output-tokens": "100000"}))
            line.recv(1000)
        entry = provider.last()

    assert (entry.client_left, entry.was_reset, entry.billed, entry.usage_sent) == (True, False, True, False)
    assert 0 <= entry.quantities.get("output_text", 0) < 100_000


@pytest.fixture(scope="module")
def shared():
    """One provider for many examples."""
    with simulator() as running:
        yield running


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(fault=st.sampled_from([None, *Fault]), stream=st.booleans(), output=st.integers(0, 60), data=st.data())
def test_every_request_is_in_the_account_once(
    shared: RunningSimulator,
    fault: Fault | None,
    stream: bool,  # noqa: FBT001
    output: int,
    data: st.DataObject,
):
    """Whatever goes wrong there is one entry; it is billed unless refused, and its parts add up to its own words."""
    before = len(shared.account.entries())
    headers = {"x-sim-output-tokens": str(output), "x-sim-latency-ms": "0"}
    if fault and fault is not Fault.SLOW_FIRST_BYTE:
        headers["x-sim-fault"] = fault
    body = body_of(stream=stream, text=data.draw(st.text(min_size=1, max_size=40)))
    talk(shared, packet(CHAT, body, headers))

    entries = shared.entries(before + 1)
    entry = entries[-1]
    refused = fault in (Fault.ERROR_500, Fault.RATE_LIMIT, Fault.OVERLOADED, Fault.UNAUTHORIZED)
    assert len(entries) == before + 1
    assert entry.billed is not (refused or (fault is Fault.ERROR_IN_STREAM and not stream))
    if entry.billed:
        assert sum(entry.quantities.values()) == entry.usage["total_tokens"]


def test_account_page(provider: RunningSimulator):
    """The account is readable over HTTP, from any entry on, with totals."""
    for _ in range(3):
        exchange(provider, packet(CHAT, body_of()))
    provider.entries(3)
    status, headers, lines = exchange(provider, packet("/_simulator/account?since=1", method="GET"))
    _, _, totals = exchange(provider, packet("/_simulator/summary", method="GET"))

    entries = [msgspec.json.decode(line, type=Entry) for line in lines.splitlines()]
    assert (status, headers["content-type"]) == (200, "application/x-ndjson")
    assert entries == provider.entries(3)[1:]
    assert json.loads(totals)["requests"] == 3


@pytest.mark.parametrize(("path", "expected"), [("/_simulator/account?since=x", 400), ("/_simulator/else", 404)])
def test_account_page_errors(provider: RunningSimulator, path: str, expected: int):
    """A page that is not there says which are."""
    assert exchange(provider, packet(path, method="GET"))[0] == expected


def test_account_file(tmp_path: Path):
    """Entries are appended to a file as JSON lines."""
    path = tmp_path / "account.jsonl"
    with simulator(SimulatorSettings(latency_scale=0, account_file=str(path))) as provider:
        exchange(provider, packet(CHAT, body_of()))
        expected = provider.entries(1)

    assert [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines()] == expected
