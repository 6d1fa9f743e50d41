"""Two price sources side by side."""

import json

import pytest

from bursar.catalog.check import Comparison, compare, disputed_models
from bursar.catalog.litellm_map import MapEntry, read_map
from bursar.catalog.quarantine import Disputed, quarantined_models, read_quarantine, store_quarantine
from bursar.catalog.sheet import ModelNames
from bursar.errors import BursarError
from bursar.usage import Meter
from support.cards import make_card, make_catalog

BATCH = (("processing", "batch"),)

CATALOG = make_catalog(
    make_card("small", provider="openai", above={200_000: {"input_mtok": "2", "output_mtok": "8"}}),
    make_card("small", provider="openai", usd={"input_mtok": "0.5"}, conditions=BATCH),
    make_card("only-here", provider="openai"),
    make_card("phi", provider="azure", conditions=(("deployment", "global"),)),
    names=(ModelNames("openai", "small", aliases=("small-latest",)),),
)


def lines_of(**models) -> list[tuple]:
    """Findings for a price map: finding, model, field, both prices and their ratio."""
    found = compare(CATALOG, read_map(json.dumps(models).encode()), at_us=0)
    return [(one.finding, one.model, one.field, one.ours_usd, one.theirs_usd, one.ratio) for one in found]


def test_read_map_is_exact():
    """A figure is the decimal that was written, and its key says what it prices."""
    text = b"""{"m": {"litellm_provider": "gemini", "input_cost_per_token": 1.1e-07, "mode": "chat",
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 3e-06, "output_cost_per_token_batches": 0,
        "input_cost_per_token_balanced": 1e-06, "input_cost_per_second": 1, "output_cost_per_token": null},
        "gemini/n": {"litellm_provider": "gemini", "input_cost_per_token": 2e-06},
        "o": {"litellm_provider": "elsewhere", "input_cost_per_token": 1e-06},
        "sample_spec": {"litellm_provider": "openai"}}"""
    entries = read_map(text)

    assert [(one.provider, one.model) for one in entries] == [("google", "m"), ("google", "n")]
    assert [(one.meter, one.above_input_tokens, one.conditions, str(one.usd)) for one in entries[0].figures] == [
        (Meter.INPUT_TEXT, 0, (), "1.1E-7"),
        (Meter.CACHE_WRITE_1H, 200_000, (), "0.000003"),
        (Meter.OUTPUT_TEXT, 0, BATCH, "0"),
    ]


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"m": 3}'])
def test_read_map_malformed(data):
    """Anything but an object of objects is refused."""
    with pytest.raises(BursarError, match="price map"):
        read_map(data)


def test_compare_agreement():
    """Equal figures agree, in tiers, variants and under aliases too."""
    assert lines_of(
        **{
            "small-latest": {
                "litellm_provider": "openai",
                "input_cost_per_token": 1e-06,
                "input_cost_per_token_above_200k_tokens": 2e-06,
                "input_cost_per_token_batches": 5e-07,
            }
        }
    ) == [
        ("agrees", "small", "input_cost_per_token", "1.00", "1.00", "1.0000"),
        ("agrees", "small", "input_cost_per_token_above_200k_tokens", "2.00", "2.00", "1.0000"),
        ("agrees", "small", "input_cost_per_token_batches", "0.50", "0.50", "1.0000"),
        ("missing_there", "only-here", "", None, None, None),
    ]


def test_compare_difference():
    """A figure that differs by more than rounding is shown with both prices and their ratio."""
    figures = {"input_cost_per_token": 1.0009e-06, "output_cost_per_token": 6e-06}

    assert lines_of(small={"litellm_provider": "openai", **figures}) == [
        ("agrees", "small", "input_cost_per_token", "1.00", "1.0009", "1.0009"),
        ("differs", "small", "output_cost_per_token", "4.00", "6.00", "1.5000"),
        ("missing_there", "only-here", "", None, None, None),
    ]


def test_compare_missing_here():
    """A model or a figure that the catalog lacks is a gap, not a difference."""
    assert lines_of(
        small={
            "litellm_provider": "openai",
            "cache_read_input_token_cost": 1e-07,
            "output_cost_per_token_flex": 1e-06,
        },
        huge={"litellm_provider": "openai", "input_cost_per_token": 1},
    ) == [
        ("missing_here", "small", "cache_read_input_token_cost", None, "0.10", None),
        ("missing_here", "small", "output_cost_per_token_flex", None, "1.00", None),
        ("missing_here", "huge", "", None, None, None),
        ("missing_there", "only-here", "", None, None, None),
    ]


def test_compare_azure():
    """Azure's map prices are compared with the price of global deployments."""
    assert lines_of(**{"azure/phi": {"litellm_provider": "azure", "input_cost_per_token": 1e-06}}) == [
        ("agrees", "phi", "input_cost_per_token", "1.00", "1.00", "1.0000")
    ]


def test_compare_unlisted_provider():
    """A provider without a list here has nothing to compare."""
    assert compare(CATALOG, [MapEntry("groq", "m", ())], at_us=0) == ()


def test_quarantine(tmp_path):
    """Models with a difference are stored, and read back as what the catalog flags."""
    lines = [
        Comparison("differs", "openai", "small", field="b"),
        Comparison("differs", "openai", "small", field="a"),
        Comparison("agrees", "openai", "only-here", field="a"),
    ]
    disputed = disputed_models(lines, now_us=9)
    store_quarantine(tmp_path, disputed)

    assert disputed == (Disputed("openai", "small", ("a", "b"), 9),)
    assert read_quarantine(tmp_path) == disputed
    assert quarantined_models(disputed) == frozenset({("openai", "small")})


def test_quarantine_order(tmp_path):
    """The stored list is in order, so that two checks with the same findings write the same file."""
    one, two = Disputed("a", "m", (), 1), Disputed("b", "m", (), 1)
    store_quarantine(tmp_path, [two, one])

    assert read_quarantine(tmp_path) == (one, two)


def test_quarantine_absent_or_damaged(tmp_path):
    """Without a stored list nothing is in quarantine; a damaged one is named."""
    assert read_quarantine(tmp_path) == ()
    store_quarantine(tmp_path, ())
    (tmp_path / "prices" / "quarantine.json").write_bytes(b"?")

    with pytest.raises(BursarError, match=r"quarantine\.json cannot be read"):
        read_quarantine(tmp_path)
