"""Facts that select a price variant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.conditions import ORDINARY, describe, normalise


@pytest.mark.parametrize("tier", ["default", "standard", "auto", "on_demand", "none", "Standard", "ON_DEMAND", ""])
def test_normalise_ordinary_tier(tier):
    """Every provider's word for its ordinary tier means no condition."""
    assert normalise((("service_tier", tier),)) == ()


def test_normalise_batch_tier():
    """Anthropic's batch tier is the batch processing that price lists speak of."""
    assert normalise((("service_tier", "batch"),)) == (("processing", "batch"),)


def test_normalise_keeps_unknown():
    """A value nobody has a price for stays, so that it cannot be priced as ordinary."""
    assert normalise((("service_tier", "platinum"), ("deployment", "global"))) == (
        ("deployment", "global"),
        ("service_tier", "platinum"),
    )


@given(st.lists(st.tuples(st.sampled_from([*ORDINARY, "route"]), st.sampled_from(["batch", "fast", "default", "EU"]))))
def test_normalise_laws(pairs):
    """Normalising is idempotent and does not depend on order."""
    once = normalise(tuple(pairs))

    assert once == normalise(once) == normalise(tuple(reversed(pairs)))


def test_describe():
    """Conditions read as name=value pairs, their absence as ordinary."""
    assert describe(()) == "ordinary"
    assert describe((("processing", "batch"), ("speed", "fast"))) == "processing=batch, speed=fast"
