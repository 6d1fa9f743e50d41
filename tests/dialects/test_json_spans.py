"""Laws of finding members in JSON source."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.json_spans import members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.tuples(st.text(), VALUES), max_size=6), st.sampled_from(["", " ", "\n\t"]), st.booleans())
def test_members(pairs, space, ascii_only):
    """Every member is found in order, duplicates included, and its span is exactly its value."""
    source = ",".join(
        f"{space}{json.dumps(name, ensure_ascii=ascii_only)}{space}:{space}{json.dumps(value, indent=1)}{space}"
        for name, value in pairs
    )
    body = ("  {" + source + "}").encode("utf-8", "surrogatepass")

    found = [(one.name, json.loads(body[one.start : one.end])) for one in members(body)]

    assert pairs == found
