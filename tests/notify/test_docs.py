"""docs/alerts.md: every kind has its runbook, examples are true, and no command is made up."""

import hashlib
import hmac
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import msgspec

from bursar.cli.main import COMMANDS
from bursar.config import AlertKind, parse_config
from bursar.control.values import Alert
from bursar.notify.channel import notice_of, runbook_of
from bursar.notify.webhook import signature

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    """The page's example in a language."""
    (found,) = re.findall(rf"```{language}\n(.+?)\n```", PAGE, re.DOTALL)
    return found


def test_every_kind_has_a_runbook():
    """Each kind has a section with steps, under the anchor that alerts lead to."""
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^###? |\Z)", PAGE, re.MULTILINE | re.DOTALL))

    assert set(get_args(AlertKind)) == sections.keys()
    assert all("\n1. " in text for text in sections.values())
    assert {runbook_of(kind).partition("#")[2] for kind in get_args(AlertKind)} == sections.keys()


def test_configuration():
    """The example is a configuration."""
    config = parse_config(example("toml"), source="docs/alerts.md")

    assert ["ops", "finance"] == [one.name for one in config.webhooks]
    assert tomllib.loads(example("toml"))["webhooks"][1]["kinds"] == list(config.webhooks[1].kinds)


def test_body():
    """The example has the fields that a body has, in their order."""
    told = Alert(kind="budget_threshold", severity="info", subject="s", message="m", at_us=0)
    body = msgspec.json.decode(msgspec.json.encode(notice_of(told, "raised", key="k")))

    assert list(body) == list(json.loads(example("json")))
    assert runbook_of("budget_threshold") == json.loads(example("json"))["runbook"]


def test_check_of_the_signature():
    """The example takes what the gateway signs, and nothing else."""
    names: dict = {}
    exec(compile(example("python"), "docs/alerts.md", "exec"), names)  # noqa: S102 - the example is ours
    is_genuine, body = names["is_genuine"], b'{"event":"raised"}'
    header = signature(b"secret", body, at_s=1_000).decode()
    forged = f"t=1000,v1={hmac.new(b'other', b'1000.' + body, hashlib.sha256).hexdigest()}"

    assert is_genuine(b"secret", header, body, now=1_100)
    assert [False] * 4 == [
        is_genuine(b"secret", header, body + b" ", now=1_100),
        is_genuine(b"other", header, body, now=1_100),
        is_genuine(b"secret", header, body, now=1_301),
        is_genuine(b"secret", forged, body, now=1_100),
    ]


def test_commands_exist():
    """Every command on the page exists."""
    named = set(re.findall(r"`bursar (\w+)", PAGE))

    assert {"report", "explain", "prices"} == named
    assert named <= {str(name) for name in COMMANDS}
