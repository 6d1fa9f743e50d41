"""Which provider and which metered endpoint a path belongs to. Deny by default.

A path under a mount that no dialect meters is refused with ``route_not_metered``; a path under no mount is not the
gateway's and goes to the console.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bursar.dialects.base import Dialect, Endpoint
from bursar.errors import Refusal
from bursar.gateway.targets import Target

OPENAI_FAMILY: Final = frozenset(
    (
        "openai",
        "mistral",
        "deepseek",
        "xai",
        "groq",
        "openrouter",
        "together",
        "cohere",
        "vllm",
        "ollama",
    )
)
"""Dialects whose base URL already ends in the API version, so that paths come with or without ``/v1``."""

_MOUNTS: Final = (
    ("/v1/messages", "anthropic"),
    ("/v1/", "openai"),
    ("/anthropic/", "anthropic"),
    ("/gemini/", "gemini"),
    ("/azure/", "azure"),
    ("/bedrock/", "bedrock"),
)
"""Path prefixes and the dialect they speak, first match wins. `/v1/messages` is Anthropic's: no OpenAI route has that
name, and agents that are given only a host use it."""

_NAMED: Final = "/providers/"


class Route(Struct, frozen=True):
    """Where one request goes."""

    target: Target
    endpoint: Endpoint


class RouteTable(Struct, frozen=True):
    """Paths to targets, for one configuration."""

    default: Mapping[str, Target]
    """The first configured target of each mounted dialect; the OpenAI mount takes any OpenAI-compatible one."""
    named: Mapping[str, Target]
    dialects: Mapping[str, Dialect]
    """The dialect spoken at each mount, whether or not a provider is configured for it."""

    def route(self, method: str, path: str) -> Route:
        """Find the target and endpoint of a path that `owns` accepted.

        Raises Refusal unknown_provider, provider_not_configured or route_not_metered.
        """
        if path.startswith(_NAMED):
            name, slash, rest = path[len(_NAMED) :].partition("/")
            target = self.named.get(name)
            if target is None:
                known = ", ".join(sorted(self.named)) or "none"
                raise Refusal("unknown_provider", f"There is no provider '{name}' here; configured: {known}.")
            return _endpoint(target, method, slash + rest)
        mount = dialect_at(path)
        target = self.default.get(mount)
        if target is None:
            raise Refusal(
                "provider_not_configured",
                f'No provider with dialect "{mount}" is configured; add one under [[providers]] in bursar.toml.',
            )
        return _endpoint(target, method, _below_mount(path, mount))

    def dialect_for(self, path: str) -> Dialect:
        """The dialect in which an answer to this path must be worded."""
        if path.startswith(_NAMED):
            target = self.named.get(path[len(_NAMED) :].partition("/")[0])
            return target.dialect if target else self.dialects["openai"]
        return self.dialects[dialect_at(path)]


def owns(path: str) -> bool:
    """Whether a path is the gateway's."""
    return path.startswith(("/v1/", "/anthropic/", "/gemini/", "/azure/", "/bedrock/", _NAMED))


def dialect_at(path: str) -> str:
    """The dialect of the mount a path is under."""
    for prefix, dialect in _MOUNTS:
        if path.startswith(prefix):
            return dialect
    return "openai"


def build_routes(targets: Mapping[str, Target], dialects: Mapping[str, Dialect]) -> RouteTable:
    """The table for these targets, in the order in which they are configured."""
    default: dict[str, Target] = {}
    for target in targets.values():
        mount = "openai" if target.dialect_name in OPENAI_FAMILY else target.dialect_name
        held = default.get(mount)
        if held is None or (held.dialect_name != mount and target.dialect_name == mount):
            default[mount] = target
    return RouteTable(default=default, named=dict(targets), dialects=dialects)


def _below_mount(path: str, mount: str) -> str:
    if path.startswith("/v1/"):
        return path
    return path[len(mount) + 1 :]


def _endpoint(target: Target, method: str, path: str) -> Route:
    is_family = target.dialect_name in OPENAI_FAMILY
    below = path[3:] if is_family and path.startswith("/v1/") else path
    endpoint = target.dialect.match(method, below)
    if endpoint is None:
        raise Refusal(
            "route_not_metered",
            f"{method} {path} cannot be metered by Bursar, so it is not forwarded; docs/routes.md lists what is.",
        )
    return Route(target=target, endpoint=endpoint)
