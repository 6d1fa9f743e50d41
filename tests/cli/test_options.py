"""Option texts."""

import click
import pytest

from bursar.cli.options import moment, pair


def test_pair():
    """The first equals sign splits; both sides are trimmed."""
    assert pair(" team = a=b ", form="DIM=VALUE", option="--where") == ("team", "a=b")
    assert pair("team=", form="DIM=VALUE", option="--where") == ("team", "")


@pytest.mark.parametrize("text", ["team", "=x", "  =x"])
def test_no_pair(text):
    """What is no pair is refused with the form it should have."""
    with pytest.raises(click.BadParameter, match="is not DIM=VALUE") as refused:
        pair(text, form="DIM=VALUE", option="--where")

    assert refused.value.param_hint == "--where"


def test_moment():
    """Points in time are read; others are refused in the option's name."""
    assert moment("1970-01-02", now_us=0, option="--since") == 86_400_000_000
    with pytest.raises(click.BadParameter, match="is not a point in time") as refused:
        moment("soon", now_us=0, option="--since")

    assert refused.value.param_hint == "--since"
