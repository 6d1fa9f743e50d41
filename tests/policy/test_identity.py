"""Virtual keys."""

import pytest

from bursar.config import Key
from bursar.errors import Refusal
from bursar.policy.identity import OPEN, build_keyring, hash_key, is_same_key


def keyring(**more):
    return build_keyring(
        [(Key(name="search-prod", key="env:K", team="search", tags={"feature": "a"}, **more), b"s3cret")]
    )


def test_known_key():
    """A key leads to its principal and default tags."""
    identity = keyring().identify(b"s3cret")

    assert (identity.principal.team, identity.principal.key) == ("search", "search-prod")
    assert identity.tags == (("feature", "a"),)


@pytest.mark.parametrize(
    ("presented", "code", "status"),
    [(None, "missing_key", 401), (b"", "missing_key", 401), (b"other", "invalid_key", 401)],
)
def test_unknown_key(presented, code, status):
    """No key and a wrong key are refused."""
    with pytest.raises(Refusal) as refusal:
        keyring().identify(presented)

    assert (code, status) == (refusal.value.code, refusal.value.status)


def test_disabled_key():
    """A disabled key says so by name."""
    with pytest.raises(Refusal, match="'search-prod' is disabled"):
        keyring(enabled=False).identify(b"s3cret")


def test_keyring_without_keys_is_open():
    """Without any key everybody is let in."""
    assert build_keyring([]).identify(None) == OPEN


def test_shared_secret():
    """Two keys with one secret could not be told apart."""
    with pytest.raises(ValueError, match="'a' and 'b' have the same secret"):
        build_keyring([(Key(name="a", key="env:A"), b"x"), (Key(name="b", key="env:B"), b"x")])


def test_only_hashes_are_kept():
    """Nothing reachable from a keyring holds the secret."""
    assert b"s3cret" not in repr(keyring()).encode()
    assert is_same_key(hash_key(b"s3cret"), b"s3cret")
    assert not is_same_key(hash_key(b"s3cret"), b"S3cret")
