"""Bedrock credentials: configured ones, or the usual AWS chain, and the signer made of them."""

from collections.abc import Mapping

from bursar.config import Provider
from bursar.gateway.targets import Signer


def bedrock_signer(provider: Provider, base_url: str, environ: Mapping[str, str]) -> Signer | None:
    return None
