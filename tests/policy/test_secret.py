"""The form of virtual keys."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.policy.secret import ENTROPY_BYTES, LENGTH, PATTERN, hash_key, is_issued_form, make_key

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(ENTROPY)
def test_made_keys_are_recognised(entropy):
    """Every key has the documented pattern and length and passes its own check."""
    key = make_key(entropy)

    assert re.fullmatch(PATTERN, key)
    assert (LENGTH, True) == (len(key), is_issued_form(key.encode()))


@given(ENTROPY, st.integers(0, LENGTH - 1), st.sampled_from("abcXYZ019_-"))
def test_one_wrong_character_is_noticed(entropy, position, character):
    """A mistyped key fails the check without anybody being asked."""
    key = make_key(entropy)
    wrong = key[:position] + character + key[position + 1 :]

    assert (wrong == key) == is_issued_form(wrong.encode())


@given(ENTROPY, ENTROPY)
def test_different_randomness_different_keys(one, other):
    """Keys say all of their randomness."""
    assert (one == other) == (make_key(one) == make_key(other))


@pytest.mark.parametrize("presented", [b"", b"bsk-", b"sk-" + b"a" * 50, b"\xff" * LENGTH])
def test_other_credentials_are_none(presented):
    """What has another form is no key of ours."""
    assert not is_issued_form(presented)


def test_too_little_randomness():
    """A key cannot be made of less than it needs."""
    with pytest.raises(ValueError, match="32 random bytes, not of 16"):
        make_key(b"x" * 16)


def test_hash():
    """SHA-256, as published for "abc" (FIPS 180-4, appendix)."""
    assert hash_key(b"abc").hex().startswith("ba7816bf8f01cfea414140de5dae2223")
