"""The first call to try, in the words of whichever provider this gateway has."""

from collections.abc import Mapping
from typing import Final

from bursar.gateway.state import Snapshot

_CALLS: Final[Mapping[str, tuple[str, str, str]]] = {
    "openai": (
        "/v1/chat/completions",
        "authorization: Bearer",
        '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}',
    ),
    "anthropic": (
        "/anthropic/v1/messages",
        "x-api-key:",
        '{"model":"claude-haiku-4-5","max_tokens":200,"messages":[{"role":"user","content":"hello"}]}',
    ),
    "gemini": (
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
        "x-goog-api-key:",
        '{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}',
    ),
}
"""Path, header of the key, and body, by the dialect of the mount."""


def first_call(snapshot: Snapshot, *, address: str) -> str | None:
    """A curl command that makes one tagged call; ``None`` when only providers without a short example are set up."""
    mount = next((name for name in _CALLS if name in snapshot.routes.default), None)
    if mount is None:
        return None
    path, key_header, body = _CALLS[mount]
    lines = [f"curl {address}{path}", "-H 'content-type: application/json'"]
    if not snapshot.keyring.is_open:
        lines.append(f"-H '{key_header} YOUR-BURSAR-KEY'")
    lines += ["-H 'x-bursar-team: search' -H 'x-bursar-feature: answers'", f"-d '{body}'"]
    return " \\\n  ".join(lines)


def simulated_providers(snapshot: Snapshot) -> tuple[str, ...]:
    """Providers whose answers are made up, so that nobody takes their costs for money."""
    return tuple(target.name for target in snapshot.routes.named.values() if target.is_simulated)
