"""Recorded provider traffic through the running gateway: the client gets the provider's bytes, the row its usage."""

import json

import pytest

from bursar.config import DialectName
from bursar.dialects.base import Reading
from bursar.dialects.registry import dialect_for
from support.gateway import GatewayThread
from support.provider import ScriptedProvider, send_chunk
from support.rawhttp import RawClient
from support.recorded import FOLDERS, exchanges
from support.wire import Recording


class Replayed:
    """A provider that answers with one recording, cut as the test says."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.cut = "whole"

    def __call__(self, connection, _request) -> None:
        recording = self.recording
        kind = recording.response_headers.get("content-type", "application/json")
        head = f"HTTP/1.1 {recording.status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        for part in cut_up(recording.response_body, self.cut):
            send_chunk(connection, part)
        send_chunk(connection, b"")


def cut_up(body: bytes, how: str) -> list[bytes]:
    """A body whole, event by event, or in odd pieces that no boundary respects."""
    if how == "events":
        return [part for part in body.replace(b"\n\n", b"\n\n\0").split(b"\0") if part] if b"\0" not in body else [body]
    size = {"whole": max(1, len(body)), "odd": 97}[how]
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """A gateway whose providers all are the same replaying one."""
    replayed = Replayed()
    with ScriptedProvider(replayed) as provider:
        config = "".join(
            f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{provider.url}"\napi_key = "env:K"\n'
            + ('region = "us-east-1"\n' if name == "bedrock" else "")
            for name in sorted(set(FOLDERS.values()))
        )
        with GatewayThread(config, tmp_path_factory.mktemp("relay"), environ={"K": "sk"}) as gateway:
            yield gateway, replayed


@pytest.mark.parametrize("cut", ["whole", "events", "odd"])
@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_recorded_traffic(relay, folder, cut):
    """Every recording comes through byte for byte, less only the usage chunk that the gateway asked for itself."""
    gateway, replayed = relay
    replayed.cut = cut
    seen = 0
    with RawClient(gateway.port) as client:
        for exchange in exchanges(folder):
            recording, path, body, kind = exchange.recording, exchange.path, exchange.body, exchange.content_type
            replayed.recording = recording
            settled = len(gateway.recorder.settled)
            client.request(f"/providers/{FOLDERS[folder]}{path}", body, method=recording.method, content_type=kind)
            got = client.answer()
            row = gateway.recorder.wait(settled + 1)[settled]
            expected, reading = alone(recording, FOLDERS[folder], path, body, kind)

            assert recording.status == got.status, recording.name
            assert got.body == expected, recording.name
            assert (reading.usage.counts if reading.usage and row.usage_status != "none" else ()) == row.usage
            assert (reading.status, reading.response_id) == (row.usage_status, row.response_id)
            seen += 1

    assert seen


def alone(recording: Recording, name: DialectName, path: str, body: bytes, kind: str) -> tuple[bytes, Reading]:
    """What the dialect by itself makes of the recording, fed whole."""
    dialect = dialect_for(name)
    endpoint = dialect.match(recording.method, path)
    request = dialect.read(endpoint, kind, body)
    headers = {"content-type": recording.response_headers.get("content-type", "application/json")}
    tap = dialect.tap(endpoint, request, status=recording.status, content_type=headers["content-type"], headers=headers)
    out = tap.feed(recording.response_body) + tap.flush()
    if not request.strip_usage:
        assert out == recording.response_body
    elif out != recording.response_body:
        removed = len(recording.response_body) - len(out)
        assert json.dumps("usage")[1:-1].encode() in recording.response_body
        assert 0 < removed < 4096
    return out, tap.finish(complete=True)
