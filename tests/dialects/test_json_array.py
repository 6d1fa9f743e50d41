"""The framing of streamed JSON arrays."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.json_array import ArrayParser
from bursar.dialects.sse import MAX_EVENT_BYTES, WINDOW_BYTES
from support.hostile import JSON

OBJECTS = st.lists(st.dictionaries(st.text(max_size=8), JSON | st.text(alphabet='{}[]"\\,', max_size=8)), max_size=4)


@given(OBJECTS, st.sampled_from([",", "\n,\r\n", " , "]), st.integers(1, 30), st.booleans())
def test_array_objects(objects: list[dict[str, object]], comma: str, size: int, escape: bool) -> None:  # noqa: FBT001
    """The outermost objects come out whole and in order, whatever the chunks and whatever braces their strings hold."""
    members = [json.dumps(member, ensure_ascii=escape) for member in objects]
    body = ("[" + comma.join(members) + "\n]").encode(errors="replace")
    parser = ArrayParser()

    found = [member for at in range(0, len(body), size) for member in parser.feed(body[at : at + size])]

    assert [member.encode(errors="replace") for member in members] == found


def test_array_oversized() -> None:
    """Of an object too large to keep, head and tail remain, and the next one is found."""
    image = b'{"data":"' + b"x" * (MAX_EVENT_BYTES + WINDOW_BYTES) + b'","last":1}'
    parser = ArrayParser()
    body = b"[" + image + b',{"next":2}]'

    found = [one for at in range(0, len(body), WINDOW_BYTES) for one in parser.feed(body[at : at + WINDOW_BYTES])]

    first, second = map(json.loads, found)
    assert first["last"] == 1
    assert len(first["data"]) < MAX_EVENT_BYTES
    assert second == {"next": 2}
