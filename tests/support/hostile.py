"""Hypothesis strategies for input that no provider should send and some day one will."""

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""Any small JSON value."""


@st.composite
def chunked(draw: st.DrawFn, longest: int = 400) -> list[bytes]:
    """Arbitrary bytes in arbitrary chunks."""
    body = draw(st.binary(max_size=longest))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=5)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
