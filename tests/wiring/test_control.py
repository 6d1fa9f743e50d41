"""A worker's hold on the control state: what it notices, and when a new snapshot is due."""

import asyncio
import logging

import pytest

from bursar.config import Budget, parse_config
from bursar.control.open import FILE
from bursar.errors import ConfigError
from bursar.policy.secret import hash_key
from bursar.wiring.control import ControlLink
from support.keys import KeyMaker
from support.ledger_records import FixedClock
from support.snapshots import snapshot_of

NAMED = '[[keys]]\nname = "ci"\nkey = "env:K"\n'


@pytest.fixture
def link(tmp_path):
    """A worker's."""
    link = ControlLink(parse_config("", source="test"), tmp_path, FixedClock())
    yield link
    link.close()


@pytest.fixture
def maker(tmp_path, link):  # noqa: ARG001 - the worker is there first
    """Another process on the same folder."""
    with KeyMaker(tmp_path) as maker:
        yield maker


def poll(link) -> bool:
    """Look for changes once."""
    return asyncio.run(link.poll())


def test_keys_made_elsewhere(link, maker):
    """A key that another process makes, changes or deletes is seen at the next look, without a new snapshot."""
    seen = [link.keys.is_empty()]
    digest = hash_key(maker.create("ci").encode())
    for change in (
        lambda: None,
        lambda: maker.book.change("ci", {"enabled": False}, maker.author),
        lambda: maker.book.delete("ci", maker.author),
    ):
        change()
        seen.append(poll(link))
        seen.append(link.keys.find(digest).barred)

    assert [True, False, None, False, "is disabled", False, "was deleted"] == seen
    assert not link.keys.is_empty()


def test_rules_made_elsewhere(link, maker):
    """A new snapshot is due when budgets change, once."""
    first = poll(link)
    maker.control.budgets.create(Budget(name="b", limit_usd="1"), maker.author)

    assert [False, True, False] == [first, poll(link), poll(link)]


def test_unreadable(link, maker, tmp_path, caplog):
    """What cannot be read is logged once, and again when it can be."""
    caplog.set_level(logging.INFO, logger="bursar.control")
    digest = hash_key(maker.create("ci").encode())
    poll(link)
    link.keys.find(digest)
    (tmp_path / FILE).rename(tmp_path / "away")
    dues = [poll(link), poll(link)]
    trouble = link.keys.trouble
    (tmp_path / "away").rename(tmp_path / FILE)
    dues.append(poll(link))

    assert [False, False, False] == dues
    assert FILE in trouble
    assert None is link.keys.trouble
    assert ["keys that were seen before stay valid for a while", "the control state can be read again"] == [
        message.partition(":")[0] for message in caplog.messages
    ]


def test_grace_is_configured(tmp_path):
    """`key_grace_s` is how long remembered keys stay valid."""
    clock = FixedClock()
    link = ControlLink(parse_config("[server]\nkey_grace_s = 2\n", source="test"), tmp_path, clock)
    (tmp_path / FILE).unlink()
    poll(link)
    clock.us += 2_000_000
    within = link.keys.has_grace
    clock.us += 1

    assert (True, False) == (within, link.keys.has_grace)
    link.close()


def test_one_name_two_keys(link, maker, tmp_path):
    """The file may not declare a key of a name that a living one bears; a deleted one's name may move to the file."""
    maker.create("ci")
    with pytest.raises(ConfigError, match=r"\[\[keys\]\] 'ci': a key of that name was made with"):
        snapshot_of(NAMED, tmp_path, environ={"K": "k"}, control=link)
    maker.book.delete("ci", maker.author)

    assert not snapshot_of(NAMED, tmp_path, environ={"K": "k"}, control=link).keyring.is_open


def test_open_elsewhere_than_on_loopback(link, maker, tmp_path):
    """A key made at run time is enough to listen on any address, none is not, and deleting it opens nothing."""
    anywhere = '[server]\nhost = "0.0.0.0"\n'
    with pytest.raises(ConfigError, match="there are no virtual keys"):
        snapshot_of(anywhere, tmp_path, control=link)
    maker.create("ci")
    maker.book.delete("ci", maker.author)
    poll(link)

    assert not snapshot_of(anywhere, tmp_path, control=link).keyring.is_open
