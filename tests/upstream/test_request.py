"""Request heads: what is written is what a strict server reads, and nothing can be slipped in."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.upstream import Fields, Origin, Timeouts, UpstreamRequest
from bursar.upstream.request import encode_head


def make(*, method=b"POST", target=b"/v1", headers=(), body=b""):
    timeouts = Timeouts(connect_s=1, first_byte_s=1, idle_s=1)
    return UpstreamRequest(Origin("http", "x", 80), method, target, Fields(headers), body, timeouts)


def encode(request):
    return encode_head(request, prefix=b"", host_lines=b"host: x\r\n")


TOKENS = st.text("abcXYZ019-_.!~", min_size=1, max_size=10).map(str.encode)
VALUES = st.text("abc XYZ\t:;=,\"'é0", max_size=20).map(lambda text: text.strip(" \t").encode("latin-1"))
OURS = (b"host", b"content-length", b"connection", b"transfer-encoding", b"upgrade")
FIELDS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in OURS), VALUES), max_size=6)


@given(st.sampled_from([b"POST", b"PUT", b"PATCH"]), FIELDS, st.binary(max_size=50))
def test_head_read_by_h11(method, headers, body):
    """A strict server reads the same method, target, fields and body."""
    request = make(method=method, target=b"/v1/x?y=%20z", headers=headers, body=body)
    server = h11.Connection(h11.SERVER)
    server.receive_data(encode(request) + body)
    head = server.next_event()
    data = []
    while isinstance(event := server.next_event(), h11.Data):
        data.append(bytes(event.data))

    assert (head.method, head.target) == (method, b"/v1/x?y=%20z")
    assert list(head.headers) == [
        (b"host", b"x"),
        *[(name.lower(), value) for name, value in headers],
        (b"content-length", b"%d" % len(body)),
    ]
    assert b"".join(data) == body
    assert isinstance(event, h11.EndOfMessage)


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_any_field(name, value):
    """Any field at all either is refused or arrives as exactly one field with that name and value."""
    request = make(headers=[(name, value)])
    server = h11.Connection(h11.SERVER)
    try:
        head = encode(request)
    except ValueError:
        return
    lines = head.split(b"\r\n")
    server.receive_data(head)

    assert lines[2] == name + b": " + value
    assert len(lines) == 6


@pytest.mark.parametrize(
    "field",
    [
        (b"x", b"1\r\ncontent-length: 5"),
        (b"x", b"1\r\ny: 2"),
        (b"x: a", b"b"),
        (b"x,y", b"1"),
        (b"x", b"1\ny: 2"),
        (b"x", b"1\ry: 2"),
        (b"x", b"1\0"),
        (b"x: 1\r\ny", b"2"),
        (b"x y", b"1"),
        (b"x:y", b"1"),
        (b"", b"1"),
        (b"n\xe9", b"1"),
        (b"Host", b"other"),
        (b"Content-Length", b"5"),
        (b"transfer-Encoding", b"chunked"),
        (b"connection", b"close"),
        (b"upgrade", b"h2c"),
    ],
)
def test_fields_that_cannot_be_sent(field):
    """A field that would become two, and one that only the client may write, is refused without naming its value."""
    with pytest.raises(ValueError, match="cannot be sent") as refusal:
        encode(make(headers=[(b"ok", b"fine"), field]))

    assert str(refusal.value) == f"request header {field[0].decode('latin-1')!r} cannot be sent"


@pytest.mark.parametrize("name", [b"host-name", b"x-host", b"content-lengths", b"upgrade-insecure-requests"])
def test_names_that_only_look_reserved(name):
    """Names that merely begin or end like a reserved one are sent."""
    assert name + b": 1\r\n" in encode(make(headers=[(name, b"1")]))


@pytest.mark.parametrize("method", [b"", b"GE T", b"GET\r\n", b"G\xe9T"])
def test_bad_method(method):
    """A method is a token."""
    with pytest.raises(ValueError, match="not an HTTP method"):
        encode(make(method=method))


@pytest.mark.parametrize("target", [b"", b"*", b"v1", b"http://x/", b"/a b", b"/a\r\nx: y", b"/\0", b"/\x7f"])
def test_bad_target(target):
    """A target is a path that cannot end the request line."""
    with pytest.raises(ValueError, match="target"):
        encode(make(target=target))


@pytest.mark.parametrize(
    ("method", "body", "is_announced"),
    [(b"GET", b"", False), (b"HEAD", b"", False), (b"DELETE", b"", False), (b"GET", b"x", True), (b"POST", b"", True)],
)
def test_content_length(method, body, is_announced):
    """An empty body is announced only where a body is expected (RFC 9110 §8.6)."""
    assert (b"content-length" in encode(make(method=method, body=body))) == is_announced


def test_forward_proxy_form():
    """Through a forward proxy the target is absolute and carries the proxy's credentials."""
    head = encode_head(make(), prefix=b"http://x", host_lines=b"host: x\r\nproxy-authorization: Basic YTpi\r\n")

    assert head.startswith(b"POST http://x/v1 HTTP/1.1\r\nhost: x\r\nproxy-authorization: Basic YTpi\r\n")


@given(FIELDS)
def test_fields_sent_again(headers):
    """Fields that serve several requests are written alike in each."""
    request = make(headers=headers)

    assert encode(make(headers=headers)) == encode(request) == encode(request)


def test_bad_fields_sent_again():
    """Fields that were refused once are refused again."""
    request = make(headers=[(b"x", b"1\r\ny: 2")])
    for _ in range(2):
        with pytest.raises(ValueError, match="'x'"):
            encode(request)
