"""Bedrock credentials: configured ones, or the usual AWS chain, and the signer made of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import botocore.session
from botocore.credentials import Credentials

from bursar.config import Provider
from bursar.dialects.sigv4 import sign
from bursar.errors import ConfigError
from bursar.gateway.headers import Header
from bursar.gateway.targets import Signer
from bursar.wiring.environment import secret


def bedrock_signer(provider: Provider, base_url: str, environ: Mapping[str, str]) -> Signer:
    """A function that signs requests to one Bedrock account; raises ConfigError when there are no credentials."""
    raise ConfigError(
        f"{provider.name} {base_url} {environ} {secret} {sign} {datetime} {UTC} {urlsplit} {Credentials} {botocore} {Header}"
    )
