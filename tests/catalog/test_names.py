"""Dated names and Bedrock ARNs."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.names import bedrock_id, is_dated_form, shape_of


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("claude-opus-5-20261001", "claude-opus-5-YYYYMMDD"),
        ("claude-opus-5@20261001", "claude-opus-5@YYYYMMDD"),
        ("gpt-6-sol-2026-09-30", "gpt-6-sol-YYYY-MM-DD"),
        ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro-preview-MM-DD"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash-preview-MM-YYYY"),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", "us.anthropic.claude-opus-4-5-YYYYMMDD-v1:0"),
        ("ft:gpt-4o-2024-08-06:acme:name:abc", "ft:gpt-4o-2024-08-06:*"),
        ("ft:gpt-4o-2024-08-06", None),
        ("gpt-5.5", None),
        ("claude-opus-5-20261301", None),
        ("claude-opus-5-20260132", None),
        ("claude-opus-520261001", None),
        ("mistral-large-2411", None),
        ("amazon.nova-lite-v1:0", None),
        ("-20261001", "-YYYYMMDD"),
        ("", None),
    ],
)
def test_shape_of(name, shape):
    """Only a well-formed date at the end of a name is masked."""
    assert shape == shape_of(name)


@given(st.text(max_size=12), st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.sampled_from(["-", "@"]))
def test_shape_of_any_day(stem, day, mark):
    """Every day of a stem has the same shape."""
    assert f"{stem}{mark}YYYYMMDD" == shape_of(f"{stem}{mark}{day:%Y%m%d}")


@given(st.text(max_size=40))
def test_shape_of_any_text(name):
    """Masking never fails and never changes the length of a compactly dated name."""
    shape = shape_of(name)

    assert shape is None or name.startswith("ft:") or len(name) == len(shape)


@pytest.mark.parametrize(
    ("name", "base", "is_dated"),
    [
        ("gpt-6-sol-2026-09-30", "gpt-6-sol", True),
        ("claude-opus-5@20261001", "claude-opus-5", True),
        ("gpt-6-sol-mini-2026-09-30", "gpt-6-sol", False),
        ("gpt-6-sol", "gpt-6-sol", False),
        ("gpt-6-sol-2026-09-30", "gpt-6", False),
    ],
)
def test_is_dated_form(name, base, is_dated):
    """A dated form is the base and a date with nothing in between."""
    assert is_dated == is_dated_form(name, base)


@pytest.mark.parametrize(
    ("arn", "model"),
    [
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5",
            "us.anthropic.claude-opus-5",
        ),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", None),
        ("arn:aws:s3:::bucket", None),
        ("anthropic.claude-opus-5", None),
    ],
)
def test_bedrock_id(arn, model):
    """A foundation model's or system profile's ARN ends in its id; an application profile's says nothing."""
    assert model == bedrock_id(arn)
