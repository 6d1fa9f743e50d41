"""What changed between two price sheets."""

from bursar.catalog.diff import Difference, diff_sheets
from bursar.catalog.sheet import Sheet
from support.cards import make_card


def test_same():
    """A sheet does not differ from itself, nor from one that only names other sources."""
    sheet = Sheet(cards=(make_card("a"), make_card("b")))

    assert diff_sheets(sheet, sheet) == ()


def test_changed_added_removed():
    """Changed rates show both figures as quoted; added and removed cards show the one there is."""
    old = Sheet(cards=(make_card("a"), make_card("gone", usd={"input_mtok": "3"})))
    new = Sheet(
        cards=(
            make_card("a", usd={"input_mtok": "1", "output_mtok": "5"}),
            make_card("b", usd={"requests_kcount": "12"}),
        )
    )
    outputs = ("output_audio", "output_image", "output_reasoning", "output_text", "output_video")
    inputs = ("input_audio", "input_image", "input_text", "input_video")

    assert diff_sheets(old, new) == (
        *(Difference("changed", "acme", "a", "ordinary", None, what, "4.00", "5.00") for what in outputs),
        Difference("added", "acme", "b", "ordinary", None, "requests", None, "0.012"),
        *(Difference("removed", "acme", "gone", "ordinary", None, what, "3.00", None) for what in inputs),
        Difference("removed", "acme", "gone", "ordinary", None, "requests", "0.00", None),
        Difference("removed", "acme", "gone", "ordinary", None, "tool_input", "3.00", None),
    )


def test_end_and_tier():
    """A card that now ends, and a tier that now costs more, are changes."""
    usd = {"input_mchars": "1"}
    old = Sheet(cards=(make_card("a", usd=usd, above={10: {"input_mchars": "2"}}),))
    new = Sheet(cards=(make_card("a", usd=usd, above={10: {"input_mchars": "3"}}, valid=(None, 99)),))

    assert diff_sheets(old, new) == (
        Difference("changed", "acme", "a", "ordinary", None, "characters above 10", "2.00", "3.00"),
        Difference("changed", "acme", "a", "ordinary", None, "valid_to_us", None, "99"),
    )
