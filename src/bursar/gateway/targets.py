"""Providers as the data plane needs them: where to connect, which credential to use, which prices apply.

A `Target` is built once per configuration from a `config.Provider` with its secrets resolved.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct

from bursar.catalog.lists import price_list_of
from bursar.config import DialectName, Provider
from bursar.dialects.base import Dialect
from bursar.gateway.headers import Header, RequestHead, provider_credentials
from bursar.upstream import Fields, Origin

DEFAULT_BASE_URLS: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "xai": "https://api.x.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "together": "https://api.together.xyz/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "vllm": "http://127.0.0.1:8000/v1",
    "ollama": "http://127.0.0.1:11434/v1",
}
"""Each provider's documented base URL, as its SDK means it (read 2026-11). Azure and Bedrock have one per account."""

BEDROCK_URL: Final = "https://bedrock-runtime.{region}.amazonaws.com"

Signer = Callable[[str, str, list[Header], bytes], list[Header]]
"""(method, url, headers, body) -> headers to send, signed. Only Bedrock needs one."""


class Target(Struct, frozen=True):
    """One configured provider, ready to be called."""

    name: str
    dialect_name: DialectName
    dialect: Dialect
    origin: Origin
    prefix: str
    """Path of the base URL, without a trailing slash."""
    price_list: str
    """Catalog provider whose prices apply."""
    api_key: bytes | None
    conditions: tuple[tuple[str, str], ...] = ()
    """Facts of the account that select a price: region, Azure deployment type."""
    extra_headers: tuple[Header, ...] = ()
    deployments: Mapping[str, str] = {}
    api_version: str | None = None
    sign: Signer | None = None
    is_simulated: bool = False


def build_target(
    provider: Provider, dialect: Dialect, *, base_url: str, api_key: bytes | None, sign: Signer | None
) -> Target:
    """Turn a configured provider into a target; raises ValueError on a base URL that cannot be connected to."""
    origin, prefix = Origin.parse(base_url)
    return Target(
        name=provider.name,
        dialect_name=provider.dialect,
        dialect=dialect,
        origin=origin,
        prefix=prefix.rstrip("/"),
        price_list=price_list_of(provider),
        api_key=api_key,
        conditions=_conditions(provider),
        extra_headers=tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in provider.headers.items()
        ),
        deployments=dict(provider.deployments),
        api_version=provider.api_version,
        sign=sign,
        is_simulated=provider.simulated,
    )


def default_base_url(provider: Provider) -> str | None:
    """The base URL of a provider that sets none; ``None`` when its dialect has no common one."""
    if provider.dialect == "bedrock":
        return BEDROCK_URL.format(region=provider.region) if provider.region else None
    return DEFAULT_BASE_URLS.get(provider.dialect)


def outgoing_headers(
    target: Target, head: RequestHead, own: Mapping[bytes, bytes], *, virtual_key: bytes | None
) -> Fields:
    """Headers for the provider: the caller's, with our credential in place of theirs, asking for an unencoded answer.

    ``own`` are the call's `PER_CALL` headers. Where the provider has no credential of ours the caller's own goes
    through, but never the one that was spent here as ``virtual_key``.
    """
    remembered = head.recall(target.name, target)
    if remembered is not None:
        return remembered
    headers = head.forward.copy()
    headers.append((b"accept-encoding", b"identity"))
    if target.api_key is not None:
        headers.append(_credential(target, target.api_key))
    elif target.sign is None:
        headers.extend(provider_credentials(own, virtual_key))
    if target.extra_headers:
        replaced = {name for name, _ in target.extra_headers}
        headers = [header for header in headers if header[0] not in replaced]
        headers.extend(target.extra_headers)
    complete = Fields(headers)
    if target.api_key is not None:
        head.remember(target.name, target, complete)
    return complete


def outgoing_query(target: Target, query: str) -> str:
    """The query for the provider: without a virtual key in `key=`, with Azure's api-version where it is missing."""
    if "key=" not in query and target.api_version is None:
        return query
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "key"]
    if target.api_version is not None and not any(name == "api-version" for name, _ in pairs):
        pairs.append(("api-version", target.api_version))
    return urlencode(pairs)


def _credential(target: Target, api_key: bytes) -> Header:
    match target.dialect_name:
        case "anthropic":
            return (b"x-api-key", api_key)
        case "gemini":
            return (b"x-goog-api-key", api_key)
        case "azure":
            return (b"api-key", api_key)
        case _:
            return (b"authorization", b"Bearer " + api_key)


def _conditions(provider: Provider) -> tuple[tuple[str, str], ...]:
    return (("deployment", provider.deployment),) if provider.dialect == "azure" else ()
