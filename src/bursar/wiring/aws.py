"""Bedrock credentials: configured ones, or the usual AWS chain, and the signer made of them."""

import threading
from collections.abc import Mapping
from typing import Any, Final

import botocore.session
from botocore.exceptions import BotoCoreError

from bursar.clock import Clock
from bursar.config import Provider
from bursar.dialects.sigv4 import AwsCredentials, sign
from bursar.errors import ConfigError
from bursar.gateway.headers import Header
from bursar.wiring.environment import secret

REFRESH_S: Final = 60.0
"""How often the credential chain is asked again; temporary credentials are renewed many minutes before they expire."""

_CALLERS_OWN: Final = frozenset((b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256", b"authorization"))
"""Parts of the caller's signature, which ours replaces."""


class BedrockSigner:
    """Signs requests to one Bedrock endpoint.

    `refresh` may wait for a metadata service, so it runs outside the event loop; signing uses what it last found.
    """

    def __init__(self, base_url: str, region: str, clock: Clock, chain: Any, fixed: AwsCredentials | None) -> None:
        scheme, _, rest = base_url.partition("://")
        self._host: Final = f"{scheme}://{rest.split('/', 1)[0]}"
        self._region: Final = region
        self._clock: Final = clock
        self._chain: Final = chain
        self._mutex: Final = threading.Lock()
        self._credentials = fixed if fixed is not None else self._ask_chain()

    def __call__(self, method: str, target: str, headers: list[Header], body: bytes) -> list[Header]:
        """The headers to send, ours signed and the caller's signature gone."""
        kept = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name not in _CALLERS_OWN}
        signed = sign(
            self._credentials,
            method=method,
            url=self._host + target,
            headers=kept,
            body=body,
            region=self._region,
            now_us=self._clock.now_us(),
        )
        return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in signed.items()]

    def refresh(self) -> None:
        """Take over the chain's present credentials; raises ConfigError when it has none any more."""
        if self._chain is not None:
            with self._mutex:
                self._credentials = self._ask_chain()

    def _ask_chain(self) -> AwsCredentials:
        try:
            frozen = self._chain.get_frozen_credentials()
        except BotoCoreError as failed:
            raise ConfigError(f"AWS credentials could not be refreshed: {failed}") from None
        return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token)


def bedrock_signer(provider: Provider, base_url: str, environ: Mapping[str, str], clock: Clock) -> BedrockSigner:
    """The signer of one Bedrock provider; raises ConfigError when it has no region or no credentials."""
    what = f"[[providers]] '{provider.name}'"
    if not provider.region:
        raise ConfigError(f"{what}: dialect 'bedrock' needs region, which is part of every signature")
    if provider.access_key_id or provider.secret_access_key:
        return BedrockSigner(base_url, provider.region, clock, None, _configured(provider, environ, what))
    chain = botocore.session.get_session().get_credentials()
    if chain is None:
        raise ConfigError(
            f"{what}: no AWS credentials found; set access_key_id and secret_access_key, an api_key (a Bedrock bearer "
            "token), or give this process a role or profile"
        )
    return BedrockSigner(base_url, provider.region, clock, chain, None)


def _configured(provider: Provider, environ: Mapping[str, str], what: str) -> AwsCredentials:
    if not (provider.access_key_id and provider.secret_access_key):
        raise ConfigError(f"{what}: access_key_id and secret_access_key belong together; one is missing")
    token = provider.session_token
    return AwsCredentials(
        secret(provider.access_key_id, environ, what=what).decode(),
        secret(provider.secret_access_key, environ, what=what).decode(),
        secret(token, environ, what=what).decode() if token else None,
    )
