"""Virtual keys."""

import pytest

from bursar.config import Key, KeyGrant
from bursar.errors import ControlUnavailable, Refusal
from bursar.policy.identity import OPEN, Identity, build_keyring, identity_of
from bursar.policy.secret import hash_key, make_key

ISSUED = make_key(b"\x07" * 32).encode()


def keyring(**more):
    return build_keyring(
        [(Key(name="search-prod", key="env:K", team="search", tags={"feature": "a"}, **more), b"s3cret", b"old")]
        if "previous_until" in more
        else [(Key(name="search-prod", key="env:K", team="search", tags={"feature": "a"}, **more), b"s3cret", None)]
    )


class Store:
    """Keys made at run time, held in memory; may be away."""

    def __init__(self, *keys, is_away=False):
        self.keys = {hash_key(secret): identity_of(grant) for secret, grant in keys}
        self.is_away = is_away
        self.asked = 0

    def find(self, digest):
        self.asked += 1
        if self.is_away:
            raise ControlUnavailable("the disk is gone")
        return self.keys.get(digest)

    def is_empty(self):
        if self.is_away:
            raise ControlUnavailable("the disk is gone")
        return not self.keys


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
    with pytest.raises(Refusal, match="'search-prod' is disabled") as refusal:
        keyring(enabled=False).identify(b"s3cret").check(0)

    assert "disabled_key" == refusal.value.code


def test_deleted_key():
    """So does one that was deleted: its name lives on."""
    with pytest.raises(Refusal, match="'a' was deleted"):
        identity_of(KeyGrant(name="a"), is_deleted=True).check(0)


def test_expiry_is_exact():
    """A key is good until the microsecond before it expires."""
    identity = keyring(expires_at="1970-01-01T00:00:01Z").identify(b"s3cret")
    identity.check(999_999)

    with pytest.raises(Refusal, match="'search-prod' expired at 1970-01-01T00:00:01") as refusal:
        identity.check(1_000_000)
    assert ("expired_key", 401) == (refusal.value.code, refusal.value.status)


def test_previous_key_ends_with_its_overlap():
    """The key that was replaced is good until the overlap ends, the new one after it too."""
    keys = keyring(previous_key="env:O", previous_until="1970-01-01T00:00:01Z")
    keys.identify(b"old").check(999_999)
    keys.identify(b"s3cret").check(2_000_000)

    with pytest.raises(Refusal, match="was rotated, and the secret given ended at 1970"):
        keys.identify(b"old").check(1_000_000)


def test_expiry_ends_an_overlap_early():
    """A key that expires before its overlap ends is expired, not rotated."""
    with pytest.raises(Refusal, match="expired at"):
        identity_of(KeyGrant(name="a", expires_at="1970-01-02"), secret_ends_us=10**12).check(10**12)


def test_previous_key_needs_an_end():
    """A replaced key that never ends is not a rotation."""
    for until, named in ((None, "previous_key needs previous_until"), ("soon", "'soon' is no date")):
        key = Key(name="a", key="env:A", previous_key="env:B", previous_until=until)
        with pytest.raises(ValueError, match=f"'a': {named}"):
            build_keyring([(key, b"x", b"y")])


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ({"expires_at": "soon"}, "'soon' is no date"),
        ({"networks": ("10.0.0.0/33",)}, "'10.0.0.0/33' is not a network"),
        ({"allow_tags": {"..": ("a",)}}, "'..' cannot be the name of a tag"),
        ({"tags": {"env": "dev"}, "allow_tags": {"environment": ("prod",)}}, "the key's own default"),
        ({"team": "search", "allow_tags": {"team": ("ads",)}}, "the key's own default"),
    ],
)
def test_terms_that_make_no_sense(terms, named):
    """They are named with the key that has them."""
    with pytest.raises(ValueError, match=rf"\[\[keys\]\] 'a': .*{named}"):
        build_keyring([(Key(name="a", key="env:A", **terms), b"x", None)])


def test_keyring_without_keys_is_open():
    """Without any key everybody is let in."""
    assert OPEN == build_keyring([]).identify(None)
    assert OPEN == build_keyring([], store=Store()).identify(b"anything")


def test_first_key_closes_the_gateway():
    """A key that is made at run time closes a gateway that had none."""
    keys = build_keyring([], store=Store((ISSUED, KeyGrant(name="first"))))

    with pytest.raises(Refusal) as refusal:
        keys.identify(None)
    assert ("missing_key", False) == (refusal.value.code, keys.is_open)
    assert "first" == keys.identify(ISSUED).principal.key


def test_store_is_asked_for_what_can_be_in_it():
    """Only what has the form of a key that was made here is looked up, and not what is configured."""
    store = Store((ISSUED, KeyGrant(name="made")))
    keys = build_keyring([(Key(name="a", key="env:A"), b"x", None)], store=store)
    identities = [keys.identify(b"x"), keys.identify(ISSUED)]
    for presented in (b"sk-other", ISSUED[:-1] + b"_", ISSUED + b"a", b"bsk-"):
        with pytest.raises(Refusal, match="not known here"):
            keys.identify(presented)

    assert ["a", "made"] == [one.principal.key for one in identities]
    assert 1 == store.asked


@pytest.mark.parametrize("presented", [ISSUED, None])
def test_key_that_cannot_be_checked(presented):
    """It is 503 with a time to try again, never 401: the key may well be right."""
    with pytest.raises(Refusal, match="the disk is gone") as refusal:
        build_keyring([], store=Store(is_away=True)).identify(presented)

    assert ("identity_unavailable", 503, 5) == (
        refusal.value.code,
        refusal.value.status,
        refusal.value.retry_after_s,
    )


def test_configured_keys_need_no_store():
    """While the store is away, the file's keys work and nonsense is still nonsense."""
    keys = build_keyring([(Key(name="a", key="env:A"), b"x", None)], store=Store(is_away=True))

    assert "a" == keys.identify(b"x").principal.key
    with pytest.raises(Refusal, match="not known here"):
        keys.identify(b"y")


def test_shared_secret():
    """Two keys with one secret could not be told apart."""
    with pytest.raises(ValueError, match="'a' and 'b' have the same secret"):
        build_keyring([(Key(name="a", key="env:A"), b"x", None), (Key(name="b", key="env:B"), b"x", None)])


def test_only_hashes_are_kept():
    """Nothing reachable from a keyring holds the secret."""
    assert b"s3cret" not in repr(keyring()).encode()


def test_unrestricted_key_has_no_scope():
    """A key without restrictions costs no checks."""
    assert isinstance(keyring().identify(b"s3cret"), Identity)
    assert None is keyring().identify(b"s3cret").scope
