"""The names under which traces keep what a replay needs, and how their values are read; one table for all formats."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from bursar.replay.trace_request import TraceError

TIME: Final = "time"
INPUT_TOKENS: Final = "input_tokens"
OUTPUT_TOKENS: Final = "output_tokens"
MODEL: Final = "model"
TASK: Final = "task"

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    TIME: ("time", "timestamp", "t", "at", "at_s", "time_s", "arrived_at", "start_time", "created_at"),
    INPUT_TOKENS: ("input_tokens", "contexttokens", "prompt_tokens", "input_length", "num_prefill_tokens", "in"),
    OUTPUT_TOKENS: (
        "output_tokens",
        "generatedtokens",
        "completion_tokens",
        "output_length",
        "num_decode_tokens",
        "out",
    ),
    MODEL: ("model", "model_name"),
    TASK: ("task", "task_id", "session_id", "conversation_id", "chat_id"),
}
"""Accepted names in lower case: Azure's LLM traces, Mooncake's, Vidur's, OpenAI's and Anthropic's, and our own."""

_TAGS: Final = frozenset({"team", "feature", "environment", "user", "customer", "use_case", "project"})
_TAG_PREFIX: Final = "tag_"
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")


def locate(names: Iterable[str], *, source: str, line: int) -> dict[str, str]:
    """Which of a trace's names holds what; raises TraceError when time or sizes are missing."""
    known = {name.strip().lower(): name for name in names}
    found = {what: known[one] for what, accepted in _NAMES.items() for one in reversed(accepted) if one in known}
    for what in (TIME, INPUT_TOKENS, OUTPUT_TOKENS):
        if what not in found:
            accepted = ", ".join(_NAMES[what])
            have = ", ".join(known.values()) or "nothing"
            raise TraceError(f"{source}:{line}: no column for {what}; rename one to any of {accepted}; found {have}")
    return found


def tag_columns(names: Iterable[str]) -> dict[str, str]:
    """Columns that are tags, by tag name: well-known dimensions, and whatever is called ``tag_<name>``."""
    tags = {}
    for name in names:
        lower = name.strip().lower()
        if lower in _TAGS:
            tags[lower.replace("_", "-")] = name
        elif lower.startswith(_TAG_PREFIX):
            tags[lower.removeprefix(_TAG_PREFIX)] = name
    return tags


def seconds(value: str | float, *, where: str) -> float:
    """A point in time as seconds: a number is taken as it is, text as ISO 8601 (UTC where it names no zone)."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
    except ValueError:
        raise TraceError(f"{where}: {value!r} is no time; write seconds or ISO 8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def tokens(value: str | float, *, where: str) -> int:
    """A count of tokens; raises TraceError for anything but a whole number that is not negative."""
    try:
        number = float(value)
    except ValueError:
        raise TraceError(f"{where}: {value!r} is no number of tokens; write a whole number") from None
    if number < 0 or number != int(number):
        raise TraceError(f"{where}: {value!r} is no number of tokens; write a whole number of at least 0")
    return int(number)
