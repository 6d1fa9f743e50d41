"""All keys as people see them."""

import pytest

from bursar.config import Key, KeyGrant
from bursar.control.keybook import KeyBook, key_fields
from bursar.control.values import BadTerms, DeclaredInFile, NameTaken, NoSuchName
from bursar.policy.secret import hash_key, is_issued_form
from support.control_contract import ANA, BEN
from support.keys import Drawn

FILE_KEY = Key(name="from-file", key="env:K", team="ops", expires_at="2026-01-01")


@pytest.fixture
def book(state):
    """Keys of the file and of the control state."""
    return KeyBook(state.keys, (FILE_KEY,), draw=Drawn())


def names(book, **options):
    """Names in the order of listing."""
    return [(one.grant if hasattr(one, "grant") else one).name for one in book.every(**options)]


def test_issued_secret(book, state):
    """The secret of a new key is of our form, and leads to it."""
    issued = book.create(KeyGrant(name="a"), ANA)

    assert is_issued_form(issued.secret.encode())
    assert issued.secret[-4:] == issued.record.secrets[0].last4
    assert "a" == state.keys.find(hash_key(issued.secret.encode())).grant.name
    assert issued.secret not in repr((issued.record, state.audit.newest(limit=9)))


def test_secrets_differ(book):
    """Every key and every rotation draws new randomness, as the system's source does."""
    drawn = {book.create(KeyGrant(name="a"), ANA).secret, book.rotate("a", overlap_us=0, author=BEN).secret}
    system = KeyBook(book._keys, ())

    assert 3 == len(drawn | {system.create(KeyGrant(name="b"), ANA).secret})


def test_listing(book, monkeypatch):
    """All keys come by name, over any number of pages, from any name on; deleted ones when asked for."""
    monkeypatch.setattr("bursar.control.keybook.PAGE", 2)
    for name in ("c", "a", "z", "b", "e"):
        book.create(KeyGrant(name=name), ANA)
    for name in ("a", "b"):
        book.delete(name, BEN)

    assert ["c", "e", "from-file", "z"] == names(book)
    assert ["a", "b", "c", "e", "from-file", "z"] == names(book, with_deleted=True)
    assert ["from-file", "z"] == names(book, after="e")
    assert ["z"] == names(book, after="from-file", with_deleted=True)


def test_empty(state):
    """Neither the file nor the control state has, or had, a key."""
    empty = KeyBook(state.keys, ())

    assert (True, False) == (empty.is_empty(), KeyBook(state.keys, (FILE_KEY,)).is_empty())
    empty.create(KeyGrant(name="a"), ANA)
    empty.delete("a", ANA)
    assert not empty.is_empty()


def test_file_keys_are_read_only(book):
    """What the file declares is changed there, and its names are not given again."""
    with pytest.raises(NameTaken, match=r"bursar\.toml declares a key 'from-file'"):
        book.create(KeyGrant(name="from-file"), ANA)
    for change in (
        lambda: book.delete("from-file", ANA),
        lambda: book.change("from-file", {"enabled": False}, ANA),
        lambda: book.rotate("from-file", overlap_us=0, author=ANA),
    ):
        with pytest.raises(DeclaredInFile, match=r"declared in bursar\.toml; change it there"):
            change()

    assert FILE_KEY is book.get("from-file")


def test_change_keeps_the_rest(book):
    """Only the terms that are named change."""
    book.create(KeyGrant(name="a", team="t", models=("m",), expires_at="2030-01-01"), ANA)
    changed = book.change("a", {"models": ["n", "o*"], "expires_at": None}, BEN)

    assert KeyGrant(name="a", team="t", models=("n", "o*")) == changed.grant


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"models": "gpt"}, r"models"),
        ({"name": "b"}, "a key keeps its name"),
        ({"expires_at": "soon"}, "'soon' is no date"),
        ({"networks": ["10.0.0.1/8"]}, "is not a network"),
        ({"tags": {"environment": "dev"}, "allow_tags": {"environment": ["prod"]}}, "own default"),
    ],
)
def test_terms_that_make_no_sense(book, changes, named):
    """They are refused with their name, and nothing changes."""
    made = book.create(KeyGrant(name="a", team="t"), ANA).record
    with pytest.raises(BadTerms, match=named):
        book.change("a", changes, BEN)
    with pytest.raises((BadTerms, TypeError)):
        book.create(KeyGrant(**{"name": "c", **changes, "networks": ("x",)}), ANA)

    assert made == book.get("a")


def test_unknown_and_deleted(book):
    """Unknown names are said to be unknown; a deleted key is still shown, and not changed."""
    book.create(KeyGrant(name="gone"), ANA)
    book.delete("gone", BEN)

    assert 2_000 == book.get("gone").deleted_us
    with pytest.raises(NoSuchName, match="was deleted"):
        book.change("gone", {"enabled": True}, ANA)
    for ask in (lambda: book.get("x"), lambda: book.change("x", {}, ANA), lambda: book.delete("x", ANA)):
        with pytest.raises(NoSuchName, match="there is no key 'x'"):
            ask()


def test_states(book):
    """A key is deleted before it is disabled, and disabled before it is expired."""
    seen = {}
    terms = {"expires_at": "1970-01-01T00:00:00.000005Z"}
    book.create(KeyGrant(name="a", **terms), ANA)
    seen[4] = key_fields(book.get("a"), now_us=4)["state"]
    seen[5] = key_fields(book.get("a"), now_us=5)["state"]
    book.change("a", {"enabled": False}, ANA)
    seen[6] = key_fields(book.get("a"), now_us=6)["state"]
    book.delete("a", ANA)
    seen[7] = key_fields(book.get("a"), now_us=7)["state"]

    assert {4: "enabled", 5: "expired", 6: "disabled", 7: "deleted"} == seen
    assert ("file", "expired", None) == tuple(
        key_fields(FILE_KEY, now_us=2 * 10**15)[name] for name in ("source", "state", "last4")
    )


def test_overlap_is_told_while_it_lasts(book):
    """A rotated key says until when its old secret works."""
    book.create(KeyGrant(name="a"), ANA)
    record = book.rotate("a", overlap_us=1_000_000, author=BEN).record

    assert "1970-01-01T00:00:01.002Z" == key_fields(record, now_us=1_001_999)["previous_until"]
    assert None is key_fields(record, now_us=1_002_000)["previous_until"]
