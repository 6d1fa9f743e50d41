"""Laws of asking for usage without serialising the request again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.include_usage import with_include_usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["model", "messages", "stream_options ", 'a"b', "{", "\\", "include_usage"]) | st.text(
    max_size=6
)
OPTIONS = st.none() | st.dictionaries(
    st.sampled_from(["include_usage", "include_obfuscation", "}", '"']), st.none() | st.booleans() | JSON, max_size=3
)
INDENT = st.sampled_from([None, 0, 1, 4])


def parsed_with_option(body: bytes) -> object:
    document = json.loads(body)
    document["stream_options"] = {**(document.get("stream_options") or {}), "include_usage": True}
    return document


@given(st.dictionaries(KEYS, JSON, max_size=5).filter(lambda one: "stream_options" not in one), INDENT, st.booleans())
def test_option_is_added(document, indent, ascii_only):
    """The parsed body equals the original plus the option, and setting it again changes nothing."""
    body = json.dumps({**document, "stream": True}, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")

    changed = with_include_usage(body, has_options=False)

    assert changed is not None
    assert parsed_with_option(body) == json.loads(changed)
    assert with_include_usage(changed, has_options=True) is None


@given(st.dictionaries(KEYS, JSON, max_size=3), OPTIONS, st.dictionaries(KEYS, JSON, max_size=3), INDENT)
def test_option_is_written_into_existing_options(before, options, after, indent):
    """Existing options keep their other members; only the option itself is written in."""
    document = {**before, "stream_options": options, **after}
    document["stream_options"] = options
    body = json.dumps(document, indent=indent).encode()

    changed = with_include_usage(body, has_options=True)

    if options is not None and options.get("include_usage") is True:
        assert changed is None
    else:
        assert changed is not None
        assert parsed_with_option(body) == json.loads(changed)
        assert with_include_usage(changed, has_options=True) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"stream":true}', b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (b' {"stream":true }\n', b' {"stream":true ,"stream_options":{"include_usage":true}}\n'),
        (b'{"stream_options":null,"n":1.0}', b'{"stream_options":{"include_usage":true},"n":1.0}'),
        (b'{"stream_options": {} }', b'{"stream_options": {"include_usage":true} }'),
        (b'{"stream_options":{ "include_usage" : false }}', b'{"stream_options":{ "include_usage" : true }}'),
        (b'{"stream\\u005foptions":{"a":1}}', b'{"stream\\u005foptions":{"a":1,"include_usage":true}}'),
        (
            b'{"stream_options":{"include_usage":true},"stream_options":null}',
            b'{"stream_options":{"include_usage":true},"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"x":"\\"stream_options\\":{","stream_options":{"a":[{"include_usage":true}]}}',
            b'{"x":"\\"stream_options\\":{","stream_options":{"a":[{"include_usage":true}],"include_usage":true}}',
        ),
    ],
)
def test_option_changes_nothing_else(body, expected):
    """All bytes but the option stay as the caller wrote them."""
    assert expected == with_include_usage(body, has_options=b"options" in body and body != b'{"stream":true}')


@pytest.mark.parametrize("value", [b'"yes"', b"7", b"[]", b"true"])
def test_nonsense_is_left_alone(value):
    """A stream_options that is no object is the provider's to refuse."""
    assert with_include_usage(b'{"stream_options":' + value + b"}", has_options=True) is None
