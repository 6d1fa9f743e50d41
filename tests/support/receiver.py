"""A receiver of webhooks on loopback: keeps what came, and answers as the test says."""

import json
from contextlib import contextmanager

from support.provider import Received, Script, ScriptedProvider, answer


class Receiver:
    """What arrived at one address."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self.provider = provider

    @property
    def url(self) -> str:
        """Its address, with a secret in it as those of chat services have."""
        return f"{self.provider.url}/hooks/T0KEN?room=ops"

    @property
    def received(self) -> list[Received]:
        """Requests, oldest first."""
        return self.provider.received

    @property
    def bodies(self) -> list[dict]:
        """Their bodies."""
        return [json.loads(one.body) for one in self.provider.received]


@contextmanager
def receiving(status: int = 200, script: Script | None = None):
    """A receiver that answers with a status or by a script, until ``provider.script`` is replaced."""
    with ScriptedProvider(script or answer(b"{}", status=status)) as provider:
        yield Receiver(provider)
