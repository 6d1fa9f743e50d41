"""The gateway's memory of keys: what it answers, what it asks, how much it keeps."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from bursar.clock import format_us
from bursar.config import KeyGrant
from bursar.control import cached
from bursar.control.cached import CachedKeys
from bursar.control.keybook import KeyBook
from bursar.control.open import open_control
from bursar.control.values import Author, FoundKey, Version
from bursar.errors import ControlUnavailable, Refusal
from bursar.policy.identity import build_keyring
from support.control_contract import ANA, secret
from support.ledger_records import START_US, FixedClock

S = 1_000_000


class CountedKeys:
    """A hundred thousand keys that exist only when they are asked for; counts look-ups, and may be away."""

    def __init__(self, keys: int = 100_000) -> None:
        self.keys = keys
        self.asked = 0
        self.is_away = False

    def find(self, digest: bytes) -> FoundKey | None:
        self.asked += 1
        if self.is_away:
            raise ControlUnavailable("the disk is gone")
        number = int.from_bytes(digest, "big")
        return FoundKey(KeyGrant(name=f"k{number}"), None, is_deleted=False) if number < self.keys else None

    def is_empty(self) -> bool:
        self.asked += 1
        return self.keys == 0


def digest(number: int) -> bytes:
    """The hash of one of `CountedKeys`; of none from its end on."""
    return number.to_bytes(32, "big")


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def keys():
    """Very many keys."""
    return CountedKeys()


@pytest.fixture
def memory(keys, clock):
    """The memory in front of them."""
    return CachedKeys(keys, clock, grace_s=300, version=Version())


def test_nothing_is_loaded_at_start(keys, memory):
    """Starting asks one question, whatever the number of keys."""
    assert (1, 0, False) == (keys.asked, len(memory), memory.is_empty())


def test_one_look_up_a_key(keys, memory):
    """A key is looked up once, and so is what is no key."""
    found = [memory.find(digest(number)) for _ in range(3) for number in (7, 100_000)]

    assert ["k7", None] * 3 == [one and one.principal.key for one in found]
    assert 1 + 2 == keys.asked


def test_memory_is_bounded(keys, memory, monkeypatch):
    """However many keys are used and guessed, only so many are remembered."""
    monkeypatch.setattr(cached, "REMEMBERED", 64)
    for number in range(0, 200_000, 500):
        memory.find(digest(number))
        assert len(memory) <= 128

    assert 1 + 400 == keys.asked


def test_flood_of_unknown_keys(keys, memory, monkeypatch):
    """Guessing never pushes a key in use out of memory."""
    monkeypatch.setattr(cached, "REMEMBERED", 64)
    memory.find(digest(7))
    for number in range(100_000, 100_500):
        memory.find(digest(number))
    asked = keys.asked
    memory.find(digest(7))

    assert asked == keys.asked


def test_keys_in_use_stay(keys, memory, monkeypatch):
    """The key that was not used for longest goes first."""
    monkeypatch.setattr(cached, "REMEMBERED", 2)
    for number in (1, 2, 1, 3):
        memory.find(digest(number))
    asked = keys.asked
    memory.find(digest(1))
    assert asked == keys.asked
    memory.find(digest(2))

    assert asked + 1 == keys.asked


def test_changes_are_seen(keys, memory):
    """When a key has changed all are looked up again; when something else has, or nothing, none."""
    for version, asked in (
        (Version(), 0),
        (Version(rules=5, alerts=5), 0),
        (Version(keys=1, rules=5, alerts=5), 3),
        (Version(keys=1, rules=5, alerts=5, store="restored"), 3),
    ):
        memory.find(digest(7))
        memory.find(digest(100_000))
        before = keys.asked
        memory.observe(version)
        memory.find(digest(7))
        memory.find(digest(100_000))

        assert before + asked == keys.asked


def test_first_key(clock):
    """The first key that is made is noticed with the version."""
    keys = CountedKeys(0)
    memory = CachedKeys(keys, clock, grace_s=300, version=Version())
    before = memory.is_empty()
    keys.keys = 1
    memory.observe(Version(keys=1))

    assert (True, False) == (before, memory.is_empty())


def test_grace(keys, memory, clock):
    """While keys cannot be read, those that are remembered stay valid for the grace; nothing else is said of any."""
    memory.find(digest(7))
    memory.find(digest(100_000))
    clock.us += 5 * S
    memory.observe(Version())
    keys.is_away = True
    memory.fail(ControlUnavailable("the disk is gone"))
    clock.us += 300 * S

    assert "k7" == memory.find(digest(7)).principal.key
    assert not memory.is_empty()
    assert "the disk is gone" == memory.trouble
    for number in (8, 100_000, 100_001):
        with pytest.raises(ControlUnavailable, match="the disk is gone"):
            memory.find(digest(number))
    clock.us += 1
    for ask in (lambda: memory.find(digest(7)), memory.is_empty):
        with pytest.raises(ControlUnavailable, match="the disk is gone"):
            ask()


def test_recovery(keys, memory, clock):
    """When the state can be read again, everything is as before."""
    keys.is_away = True
    with pytest.raises(ControlUnavailable):
        memory.find(digest(7))
    trouble = memory.trouble
    clock.us += 1_000 * S
    keys.is_away = False
    memory.observe(Version())

    assert ("the disk is gone", None) == (trouble, memory.trouble)
    assert "k7" == memory.find(digest(7)).principal.key


def test_terms_that_make_no_sense(tmp_path, clock):
    """A key whose terms cannot be understood cannot be checked: it is not taken for an unrestricted one."""
    control = open_control(tmp_path, clock)
    control.keys.create(KeyGrant(name="a", networks=("nowhere",)), secret("a"), ANA)
    memory = CachedKeys(control.keys, clock, grace_s=300, version=control.version())

    with pytest.raises(ControlUnavailable, match="'a' make no sense: 'nowhere'"):
        memory.find(secret("a").digest)
    control.close()


class KeysModel:
    """The plainest account of which secrets are good."""

    def __init__(self):
        self.made: dict[str, dict] = {}
        self.secrets: dict[str, tuple[str, int | None]] = {}
        """Secret to its key and the instant it ends."""

    def verdict(self, presented: str, now_us: int) -> str:
        """What a presented secret is answered with."""
        name, ends_us = self.secrets[presented]
        key = self.made[name]
        if key["deleted"] or not key["enabled"]:
            return "disabled_key"
        ends = [one for one in (ends_us, key["expires_us"]) if one is not None]
        return "expired_key" if ends and now_us >= min(ends) else name


class KeysOverTime(RuleBasedStateMachine):
    """Keys are made, rotated, disabled, changed and deleted at any instants; secrets are presented at any other."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FixedClock()
        self.control = open_control(Path(self.folder.name), self.clock)
        self.book = KeyBook(self.control.keys, (), draw=self._draw)
        self.memory = CachedKeys(self.control.keys, self.clock, grace_s=300, version=self.control.version())
        self.keyring = build_keyring([], store=self.memory)
        self.model = KeysModel()
        self.drawn = 0

    def _draw(self, size: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(size, "big")

    def teardown(self):
        if hasattr(self, "control"):
            self.control.close()
            self.folder.cleanup()

    @property
    def author(self) -> Author:
        return Author("model", self.clock.us)

    @property
    def names(self) -> list[str]:
        return [name for name, key in self.model.made.items() if not key["deleted"]]

    @rule(lasts_s=st.none() | st.integers(1, 30))
    def create(self, lasts_s):
        name = f"k{len(self.model.made)}"
        expires_us = None if lasts_s is None else self.clock.us + lasts_s * S
        issued = self.book.create(
            KeyGrant(name=name, expires_at=None if expires_us is None else format_us(expires_us)), self.author
        )
        self.model.made[name] = {"enabled": True, "deleted": False, "expires_us": expires_us}
        self.model.secrets[issued.secret] = (name, None)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), overlap_s=st.integers(0, 20))
    def rotate(self, data, overlap_s):
        name = data.draw(st.sampled_from(self.names))
        issued = self.book.rotate(name, overlap_us=overlap_s * S, author=self.author)
        end = self.clock.us + overlap_s * S
        for presented, (owner, ends_us) in self.model.secrets.items():
            if owner == name:
                self.model.secrets[presented] = (owner, end if ends_us is None else min(ends_us, end))
        self.model.secrets[issued.secret] = (name, None)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), enabled=st.booleans())
    def switch(self, data, enabled):
        name = data.draw(st.sampled_from(self.names))
        self.book.change(name, {"enabled": enabled}, self.author)
        self.model.made[name]["enabled"] = enabled

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def delete(self, data):
        name = data.draw(st.sampled_from(self.names))
        self.book.delete(name, self.author)
        self.model.made[name]["deleted"] = True

    @rule(seconds=st.integers(0, 15))
    def wait(self, seconds):
        self.clock.us += seconds * S

    @invariant()
    def every_secret_is_answered_rightly(self):
        if not hasattr(self, "control"):
            return
        self.memory.observe(self.control.version())
        for presented in self.model.secrets:
            identity = self.keyring.identify(presented.encode())
            try:
                identity.check(self.clock.us)
                verdict = identity.principal.key
            except Refusal as refusal:
                verdict = refusal.code
            assert self.model.verdict(presented, self.clock.us) == verdict


KeysOverTime.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)

TestKeysOverTime = KeysOverTime.TestCase


def test_identity_is_built_from_the_terms(tmp_path, clock):
    """Everything a key states reaches its identity."""
    control = open_control(tmp_path, clock)
    grant = KeyGrant(name="a", organisation="o", team="t", project="p", tags={"Env": "x"}, models=("m",))
    control.keys.create(grant, secret("a"), Author("ana", START_US))
    identity = CachedKeys(control.keys, clock, grace_s=300, version=control.version()).find(secret("a").digest)

    assert ("o", "t", "p", "a") == structs.astuple(identity.principal)
    assert (("environment", "x"),) == identity.tags
    assert ("m",) == identity.scope.models.texts
    control.close()
