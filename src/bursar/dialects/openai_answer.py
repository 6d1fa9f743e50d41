"""What one OpenAI-style answer has said so far, and the reading that follows from it.

Every field keeps its last writer, from whichever chunk it came: providers repeat running usage (vLLM's
``continuous_usage_stats``), send it beside choices, or split it over two chunks, and position means nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Raw

from bursar.dialects.base import Reading, Request
from bursar.dialects.estimate import text_bytes, tokens_of
from bursar.dialects.fields import document, encoded, fields, json_text, mapping, text, utf8_length
from bursar.dialects.flavours import Flavour
from bursar.dialects.openai_usage import TEXT, Plain, settle
from bursar.events import Part, UsageStatus
from bursar.usage import EMPTY, Usage, usage_of

ESTIMATED: Final = "the answer reports no usage: input and output are estimated from their text"
BROKEN_OFF: Final = (
    "the answer broke off before it reported usage: input and output are estimated from the text seen, which does not "
    "show hidden reasoning"
)
NO_USAGE: Final = "the answer reports no usage"

_MAX_RAW_BYTES: Final = 16 * 1024
"""A usage object is a few hundred bytes; a larger one is not kept in the row."""


class Answer:
    """Collects one answer's facts."""

    __slots__ = (
        "_raw",
        "_usage",
        "ended",
        "error",
        "extra",
        "flavour",
        "id",
        "model",
        "notes",
        "plain",
        "request",
        "service_tier",
        "shares",
        "side_parts",
        "spoken_bytes",
    )

    def __init__(self, request: Request, flavour: Flavour, plain: Plain = TEXT) -> None:
        self.request = request
        self.flavour = flavour
        self.plain = plain
        self.id: str | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.error: str | None = None
        self.ended = False
        """The answer reached its own end marker."""
        self.spoken_bytes = 0
        """UTF-8 bytes of output text seen."""
        self.extra: Usage = EMPTY
        """Billed beside the tokens: searches, executions."""
        self.shares: tuple[Part, ...] = ()
        """The tokens by model, where the answer breaks them down."""
        self.side_parts: tuple[Part, ...] = ()
        """What other models did beside the answer's own, on top of its usage."""
        self.notes: tuple[str, ...] = ()
        self._usage: dict[str, Any] = {}
        self._raw: str | None = None

    def named(self, answer_id: str | None, model: str | None, service_tier: str | None) -> None:
        """Take what a chunk calls itself; absent names say nothing."""
        if answer_id:
            self.id = answer_id
        if model:
            self.model = model
        if service_tier:
            self.service_tier = service_tier

    def saw_usage(self, raw: Raw) -> None:
        """Take a usage object; null and what is not an object say nothing."""
        usage = fields(raw)
        if not usage:
            return
        if self._usage:
            _merge(self._usage, usage)
            self._raw = encoded(self._usage)
        else:
            self._usage = dict(usage)
            self._raw = json_text(raw)

    def add_usage(self, raw: Raw) -> None:
        """Take the usage of one more of several products that are each reported by themselves (streamed images)."""
        if not self._usage:
            self.saw_usage(raw)
            return
        self._usage = _sum(self._usage, fields(raw))
        self._raw = encoded(self._usage)

    def saw_error(self, raw: Raw) -> None:
        """Take the value of an ``error`` member; null says nothing."""
        value = document(raw)
        if value is not None:
            self.error = error_type(value)

    @property
    def has_usage(self) -> bool:
        return bool(self._usage)

    def reading(self, *, complete: bool) -> Reading:
        """What is known at the end; ``complete`` tells whether the HTTP body reached its own."""
        settled = settle(self._usage, self.flavour, self.plain) if self._usage else None
        usage: Usage | None
        if settled is not None and settled.usage is not None:
            usage, status, notes = settled.usage, settled.status, settled.notes
        else:
            usage, status, notes = self._without_usage(complete=complete)
        parts: tuple[Part, ...] = ()
        if usage is not None:
            fees = self._fees()
            if self.shares or self.side_parts:
                parts = self._parts(usage, fees)
            if fees.counts:
                usage = usage + fees
            for part in self.side_parts:
                usage = usage + part.usage
        return Reading(
            usage=usage,
            status=status,
            model=self.model,
            service_tier=self.service_tier,
            response_id=self.id,
            raw_usage=self._raw if self._raw and len(self._raw) <= _MAX_RAW_BYTES else None,
            provider_cost=self.flavour.provider_cost(self._usage) if self._usage else None,
            error=self.error,
            complete=self.ended,
            notes=notes + self.notes,
            parts=parts,
        )

    def _without_usage(self, *, complete: bool) -> tuple[Usage | None, UsageStatus, tuple[str, ...]]:
        if self.spoken_bytes or not (complete or self.error):
            note = ESTIMATED if complete and self.ended else BROKEN_OFF
            return self._estimate(), UsageStatus.ESTIMATED, (note,)
        if self.error:
            return None, UsageStatus.NONE, ()
        return None, UsageStatus.MISSING, (NO_USAGE,)

    def _fees(self) -> Usage:
        """What is billed beside the tokens: as the usage object counts it, else as it was seen; and what the request
        itself fixes.
        """
        counted = self.flavour.tool_fees(self._usage)
        fees = usage_of(counted) if any(counted.values()) else self.extra
        return fees if self.request.usage is None else fees + self.request.usage

    def _parts(self, tokens: Usage, fees: Usage) -> tuple[Part, ...]:
        own = self.model or self.request.model or ""
        if self.shares and sum((share.usage for share in self.shares), start=EMPTY) == tokens:
            parts = (*self.shares, Part(own, fees)) if fees.counts else self.shares
        else:
            parts = (Part(own, tokens + fees),)
        parts += self.side_parts
        return parts if len(parts) > 1 else ()

    def _estimate(self) -> Usage:
        asked = tokens_of(text_bytes(document(self.request.body)))
        return usage_of({self.plain.input: asked, self.plain.output: tokens_of(self.spoken_bytes)})


def error_type(value: object) -> str:
    """The provider's name for an error: its type, else its code, else just ``error``.

    OpenAI, Groq, OpenRouter and Azure send an object; xAI and Ollama a string; Mistral, vLLM and Cohere put the fields
    at the top level of the body. Messages may quote the prompt and are not kept.
    """
    error = mapping(value)
    for name in ("type", "code", "status"):
        found = error.get(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if text(found):
            return str(found)[:100]
    return "error"


def error_reading(body: bytes, *, status: int, complete: bool) -> Reading:
    """An answer with an error status: nothing is billed."""
    whole = fields(body)
    inner = whole.get("error")
    named = error_type(inner) if isinstance(inner, dict) else error_type({**whole, "error": None})
    kind = f"http_{status}" if named == "error" else named
    return Reading(usage=None, status=UsageStatus.NONE, error=kind, complete=complete)


def spoken(*pieces: object) -> int:
    """UTF-8 bytes of those pieces that are text."""
    return sum(utf8_length(piece) for piece in pieces if piece)


def _merge(known: dict[str, Any], latest: Mapping[str, Any]) -> None:
    """Last writer per field, one level into the details; null never overwrites a figure."""
    for name, value in latest.items():
        if value is None:
            continue
        before = known.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            known[name] = {**before, **{key: inner for key, inner in value.items() if inner is not None}}
        else:
            known[name] = value


def _sum(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(known)
    for name, value in more.items():
        before = known.get(name)
        if isinstance(value, dict):
            total[name] = _sum(mapping(before), value)
        elif type(value) is int and type(before) is int:
            total[name] = before + value
        elif before is None:
            total[name] = value
    return total
