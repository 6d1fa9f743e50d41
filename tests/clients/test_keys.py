"""Refused virtual keys, as the official SDKs raise them."""

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from bursar.control.open import FILE
from support.gateway import GatewayThread
from support.keys import KeyMaker
from support.simulator import RunningSimulator

TERMS = {
    "expired": {"expires_at": "2020-01-01"},
    "disabled": {"enabled": False},
    "model": {"models": ("o3",)},
    "route": {"routes": ("embeddings",)},
    "tag": {"allow_tags": {"environment": ("prod",)}},
    "network": {"networks": ("192.0.2.0/24",)},
}

CASES = [
    ("expired", "expired_key", "AuthenticationError"),
    ("disabled", "disabled_key", "AuthenticationError"),
    ("model", "model_not_allowed", "PermissionDeniedError"),
    ("route", "route_not_allowed", "PermissionDeniedError"),
    ("tag", "tag_not_allowed", "PermissionDeniedError"),
    ("network", "network_not_allowed", "PermissionDeniedError"),
]


class Desk:
    """A gateway with a key of every restriction, and a way to take its control state away."""

    def __init__(self, folder: Path, gateway: GatewayThread, secrets: dict[str, str]) -> None:
        self.folder = folder
        self.gateway = gateway
        self.secrets = secrets

    def openai(self, key: str) -> openai.OpenAI:
        """The official client with one of the keys."""
        return openai.OpenAI(base_url=f"{self.gateway.url}/v1", api_key=self.secrets[key], max_retries=0)

    def anthropic(self, key: str) -> anthropic.Anthropic:
        """The official client with one of the keys."""
        return anthropic.Anthropic(base_url=f"{self.gateway.url}/anthropic", api_key=self.secrets[key], max_retries=0)


@pytest.fixture(scope="module")
def desk(provider: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One for all tests of this file."""
    folder = tmp_path_factory.mktemp("desk")
    config = "".join(
        f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{provider.base_url}{base}"\n'
        f'api_key = "env:PROVIDER_KEY"\n'
        for name, base in (("openai", "/v1"), ("anthropic", ""))
    )
    with KeyMaker(folder) as maker:
        secrets = {name: maker.create(name, **terms) for name, terms in TERMS.items()}
        secrets |= {name: maker.create(name) for name in ("good", "unseen")}
        with GatewayThread(config, folder, environ={"PROVIDER_KEY": "sk-provider"}) as gateway:
            yield Desk(folder, gateway, secrets)


def ask_openai(client: openai.OpenAI) -> object:
    """One small call that is tagged."""
    return client.chat.completions.create(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": "hello"}],
        extra_headers={"x-bursar-environment": "dev"},
    )


def ask_anthropic(client: anthropic.Anthropic) -> object:
    """One small call that is tagged."""
    return client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=20,
        messages=[{"role": "user", "content": "hello"}],
        extra_headers={"x-bursar-environment": "dev"},
    )


@pytest.mark.parametrize(("key", "code", "raised"), CASES)
def test_openai(desk: Desk, key: str, code: str, raised: str) -> None:
    """OpenAI's client raises the exception of the refusal's kind, with its code and the key's name."""
    with desk.openai(key) as client, pytest.raises(getattr(openai, raised), match=f"'{key}'") as refused:
        ask_openai(client)

    assert code == refused.value.code


@pytest.mark.parametrize(("key", "code", "raised"), CASES)
def test_anthropic(desk: Desk, key: str, code: str, raised: str) -> None:
    """So does Anthropic's, whose errors have no code: the message names it."""
    with desk.anthropic(key) as client, pytest.raises(getattr(anthropic, raised), match=f"'{key}'") as refused:
        ask_anthropic(client)

    assert code in str(refused.value)


def test_key_that_cannot_be_checked(desk: Desk) -> None:
    """Without the control state, a key that was used goes on; another is a server's error, which clients retry."""
    with desk.openai("good") as good, desk.anthropic("good") as good_too:
        ask_openai(good)
        (desk.folder / FILE).rename(desk.folder / "away")
        desk.gateway.until(lambda: desk.gateway.control.keys.trouble is not None)
        ask_openai(good)
        ask_anthropic(good_too)
    with desk.openai("unseen") as client, pytest.raises(openai.InternalServerError) as by_openai:
        ask_openai(client)
    with desk.anthropic("unseen") as client, pytest.raises(anthropic.InternalServerError) as by_anthropic:
        ask_anthropic(client)
    (desk.folder / "away").rename(desk.folder / FILE)
    desk.gateway.until(lambda: desk.gateway.control.keys.trouble is None)

    assert (503, 503) == (by_openai.value.status_code, by_anthropic.value.status_code)
    assert "identity_unavailable" == by_openai.value.code
    assert "5" == by_anthropic.value.response.headers["retry-after"]
