"""A gateway in front of a scripted provider."""

from contextlib import contextmanager

import pytest

from support.gateway import GatewayThread
from support.provider import ScriptedProvider

ENVIRON = {"PROVIDER_KEY": "sk-provider", "VIRTUAL_KEY": "vk-search"}


@pytest.fixture
def gateway_for(tmp_path):
    """Start a gateway whose providers of every dialect are one scripted provider; extra TOML may be added."""

    @contextmanager
    def start(provider: ScriptedProvider, *, top: str = "", keys: bool = True, **settings):
        config = [top]
        for name, base in (("openai", "/v1"), ("anthropic", ""), ("gemini", "")):
            config.append(
                f'[[providers]]\nname = "{name}"\ndialect = "{name}"\n'
                f'base_url = "{provider.url}{base}"\napi_key = "env:PROVIDER_KEY"\n'
            )
        if keys:
            config.append('[[keys]]\nname = "search-prod"\nkey = "env:VIRTUAL_KEY"\nteam = "search"\n')
        with GatewayThread("\n".join(config), tmp_path, environ=ENVIRON, **settings) as gateway:
            yield gateway

    return start
