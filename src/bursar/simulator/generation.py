"""Turn an `Ask` into an `Answer` and its bill, for one request; every dialect goes through here."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct

from bursar.clock import Clock
from bursar.simulator.ask import Answer, Ask
from bursar.simulator.chance import Chance
from bursar.simulator.exchange import Call
from bursar.simulator.faults import Fault
from bursar.simulator.prompt_cache import NOT_CACHED, Lookup, PromptCache
from bursar.simulator.settings import SimulatorSettings
from bursar.simulator.steering import Steering
from bursar.simulator.tokens import Kind, Piece, count_tokens
from bursar.simulator.writing import Style, compose, output_tokens_of
from bursar.usage import Meter, Usage, usage_of

_INPUT: Final[dict[Kind, Meter]] = {
    "text": Meter.INPUT_TEXT,
    "image": Meter.INPUT_IMAGE,
    "audio": Meter.INPUT_AUDIO,
}
_READ: Final[dict[Kind, Meter]] = {
    "text": Meter.CACHE_READ,
    "image": Meter.CACHE_READ_IMAGE,
    "audio": Meter.CACHE_READ_AUDIO,
}
_MICROSECONDS: Final = 1_000_000


class Generated(Struct, frozen=True):
    """An answer and what it is billed for."""

    answer: Answer
    usage: Usage


class Request:
    """One call being served: what a dialect may ask of the simulator."""

    def __init__(
        self,
        *,
        call: Call,
        settings: SimulatorSettings,
        clock: Clock,
        cache: PromptCache,
        steering: Steering,
        fault: Fault | None,
    ) -> None:
        self.call = call
        self.settings = settings
        self.clock = clock
        self.steering = steering
        self.fault = fault
        self._cache = cache

    @cached_property
    def chance(self) -> Chance:
        """Randomness that follows from the seed, the path and the body: the same question gets the same answer."""
        return Chance(self.settings.seed, self.call.path.encode(), self.call.body)

    @property
    def created(self) -> int:
        """Now, in Unix seconds."""
        return self.clock.now_us() // _MICROSECONDS

    def new_id(self, prefix: str, length: int = 32) -> str:
        """A fresh id in the provider's manner."""
        return prefix + self.clock.new_id().replace("-", "")[-length:]

    def generate(self, ask: Ask) -> Generated:
        """Answer, and count what the answer is billed for."""
        style = Style(self.settings.answer_tokens, self.settings.answer_sigma)
        answer = compose(ask, self.chance, self.steering, style)
        reasoning = count_tokens(answer.reasoning)
        visible = sum(output_tokens_of(choice) for choice in answer.choices)
        output = usage_of({Meter.OUTPUT_TEXT: visible, Meter.OUTPUT_REASONING: reasoning})
        return Generated(answer, self.prompt_usage(ask) + output)

    def prompt_usage(self, ask: Ask) -> Usage:
        """What the prompt is billed for, cache and steering taken into account."""
        steering = self.steering
        if steering.input_tokens is not None:
            read = min(steering.cached_tokens or 0, steering.input_tokens)
            return usage_of({Meter.CACHE_READ: read, Meter.INPUT_TEXT: steering.input_tokens - read})
        lookup = self._look_up(ask)
        if steering.cached_tokens is not None:
            lookup = Lookup(read=min(steering.cached_tokens, sum(piece.tokens for piece in ask.prompt)))
        return _billed_prompt(ask, lookup)

    def _look_up(self, ask: Ask) -> Lookup:
        if ask.caching == "none":
            return NOT_CACHED
        scope = hashlib.blake2b(f"{credential_of(self.call)}\n{ask.model}".encode(), digest_size=16).digest()
        if ask.caching == "explicit":
            return self._cache.explicit(scope, ask.prompt)
        return self._cache.automatic(scope, _until_audio(ask.prompt))


def credential_of(call: Call) -> str:
    """The credential a caller presented, in any of the dialects' ways; empty without one."""
    headers = call.headers
    authorization = headers.get("authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        return authorization.partition("Credential=")[2].partition("/")[0]
    if authorization[:7].lower() == "bearer ":
        return authorization[7:]
    for name in ("x-api-key", "api-key", "x-goog-api-key"):
        if name in headers:
            return headers[name]
    return call.query.get("key", "")


def _billed_prompt(ask: Ask, lookup: Lookup) -> Usage:
    written_30m = lookup.written_automatic if ask.caching == "automatic-billed" else 0
    counts: dict[Meter, int] = {
        Meter.CACHE_WRITE_5M: lookup.written_5m,
        Meter.CACHE_WRITE_30M: written_30m,
        Meter.CACHE_WRITE_1H: lookup.written_1h,
    }
    read_left = lookup.read
    written_left = lookup.written_5m + lookup.written_1h + written_30m
    for piece in ask.prompt:
        kind: Kind = piece.kind if piece.kind in ask.told else "text"
        read = min(read_left, piece.tokens)
        written = min(written_left, piece.tokens - read)
        read_left -= read
        written_left -= written
        counts[_READ[kind]] = counts.get(_READ[kind], 0) + read
        counts[_INPUT[kind]] = counts.get(_INPUT[kind], 0) + piece.tokens - read - written
    return usage_of(counts)


def _until_audio(prompt: Sequence[Piece]) -> list[Piece]:
    """Audio is not cached, and nothing after it can be."""
    until = []
    for piece in prompt:
        if piece.kind == "audio":
            break
        until.append(piece)
    return until
