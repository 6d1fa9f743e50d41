"""Alerts in a running worker."""

import asyncio
import logging

import pytest

from bursar.config import parse_config
from bursar.errors import ConfigError, LedgerUnavailable
from bursar.gateway.tasks import TaskGroup
from bursar.wiring.alerting import _every, hooks_of

HOOK = '[[webhooks]]\nname = "ops"\nurl = "https://ops.example.com/T0KEN?x=1"\n'


def hooks(text: str, **environ: str):
    """The webhooks of a configuration."""
    return hooks_of(parse_config(text, source="test"), environ)


def test_hooks():
    """A webhook's address is taken apart and its secret resolved."""
    (hook,) = hooks(f'{HOOK}secret = "env:KEY"\nkinds = ["store_down"]\n', KEY="sesame")

    assert ("ops", "https://ops.example.com", "/T0KEN?x=1", b"sesame") == (
        hook.name,
        str(hook.origin),
        hook.target,
        hook.secret,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HOOK + HOOK, "two webhooks have that name"),
        (HOOK.replace("https", "ftp"), "url: "),
        (f'{HOOK}secret = "env:KEY"\n', "secret: environment variable KEY is not set"),
    ],
)
def test_hooks_that_cannot_be_used(text, why):
    """What cannot be used is an error that names the webhook, and not what may be secret in its address."""
    with pytest.raises(ConfigError, match=f"'ops'.*{why}") as wrong:
        hooks(text)

    assert "T0KEN" not in str(wrong.value)


def test_unknown_kind():
    """A kind that does not exist is an error."""
    with pytest.raises(ConfigError, match="kinds"):
        hooks(f'{HOOK}kinds = ["budget_treshold"]\n')


def test_looks_go_on(caplog):
    """A look that fails, for whatever reason, is logged, what is away once, and the next one comes all the same."""
    caplog.set_level(logging.WARNING)
    problems = [LedgerUnavailable("gone"), LedgerUnavailable("gone"), ValueError("a mistake"), None]

    async def run() -> None:
        tasks, done = TaskGroup(), asyncio.Event()

        async def look() -> None:
            problem = problems.pop(0)
            if problem is not None:
                raise problem
            problems.append(None)
            done.set()

        tasks.spawn(_every("deliveries", 0.0, look), name="deliveries")
        await done.wait()
        await tasks.cancel()

    asyncio.run(run())

    assert ["deliveries have to wait: gone", "deliveries: a look failed"] == [one.message for one in caplog.records]
