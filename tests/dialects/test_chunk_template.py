"""Chunks that only repeat one another's shape: told without decoding, and told the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.chunk_template import ChunkTemplate
from bursar.dialects.registry import dialect_for

WORDS = st.text(st.sampled_from('ab "\\é\t:{}'), max_size=6)
NAMES = st.sampled_from(["one", "two"])
SHAPES = st.fixed_dictionaries(
    {
        "id": NAMES,
        "model": NAMES,
        "choices": st.lists(
            st.fixed_dictionaries(
                {
                    "index": st.just(0),
                    "delta": st.fixed_dictionaries(
                        {"content": WORDS}, optional={"refusal": WORDS, "reasoning_content": WORDS, "role": NAMES}
                    ),
                    "finish_reason": st.sampled_from([None, None, "stop"]),
                }
            ),
            min_size=0,
            max_size=2,
        ),
    },
    optional={"usage": st.none(), "obfuscation": WORDS, "error": st.just({"type": "x"}), "service_tier": NAMES},
)


def reading_of(chunks, *, complete):
    dialect = dialect_for("openai")
    endpoint = dialect.match("POST", "/chat/completions")
    request = dialect.read(endpoint, "application/json", b'{"model":"gpt-4o","messages":[],"stream":true}')
    tap = dialect.tap(endpoint, request, status=200, content_type="text/event-stream", headers={})
    for chunk in chunks:
        tap.feed(b"data: " + chunk + b"\n\n")
    return tap.finish(complete=complete)


@given(st.lists(SHAPES, max_size=4), st.lists(st.integers(0, 3), max_size=12), st.booleans(), st.booleans())
def test_same_reading(shapes, order, compact, complete):
    """A stream reads the same whether or not its chunks are recognised."""
    separators = (",", ":") if compact else None
    written = [json.dumps(one, separators=separators, ensure_ascii=False).encode() for one in shapes]
    chunks = [written[at % len(written)] for at in order] if written else []
    recognised = reading_of(chunks, complete=complete)
    # A blank before the closing brace is the same JSON and the shape of no chunk before it.
    decoded = reading_of([chunk[:-1] + b" " * at + b"}" for at, chunk in enumerate(chunks, 1)], complete=complete)

    assert decoded == recognised


def test_padding_may_differ():
    """OpenAI's random padding does not hide that two chunks are alike; anything else that differs does."""
    template = ChunkTemplate()
    chunk = b'{"id":"c","choices":[{"delta":{"content":"%b"},"finish_reason":%b}],"usage":null,"obfuscation":"%b"}'
    template.learn(chunk % (b"hello", b"null", b"xYz"), 5)

    assert 7 == template.words_bytes(chunk % (b"goodbye", b"null", b"Q"))
    assert 0 == template.words_bytes(chunk % (b"", b"null", b""))
    assert template.words_bytes(chunk % (b"bye", b'"stop"', b"Q")) is None
    assert template.words_bytes(chunk % (b'\\"', b"null", b"Q")) is None
    assert template.words_bytes(chunk % ("é".encode(), b"null", b"Q")) is None
    assert template.words_bytes(chunk.replace(b'"c"', b'"d"') % (b"bye", b"null", b"Q")) is None
