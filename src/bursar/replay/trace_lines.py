"""Traces as JSON lines: Mooncake's, and objects with the same names as a table's columns.

Mooncake (kvcache-ai/Mooncake, FAST '25 traces): ``timestamp`` in milliseconds, ``input_length``, ``output_length`` and
``hash_ids``, one for each block of 512 tokens, equal where prompts share a prefix. Other lines give time in seconds or
ISO 8601.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from bursar.replay.trace_columns import (
    INPUT_TOKENS,
    MODEL,
    OUTPUT_TOKENS,
    TASK,
    TIME,
    locate,
    seconds,
    tag_columns,
    tokens,
)
from bursar.replay.trace_request import TraceError, TraceRequest

_MOONCAKE_BLOCK_TOKENS: Final = 512
_MS: Final = 1000


def read_lines(lines: Iterable[str], *, source: str) -> Iterator[TraceRequest]:
    """The requests of a file with one JSON object a line; blank lines are passed over."""
    first: float | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        request = _request(_object(line, f"{source}:{number}"), source=source, line=number)
        first = request.at_s if first is None else first
        yield msgspec.structs.replace(request, at_s=request.at_s - first)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError as broken:
        raise TraceError(f"{where}: not JSON: {broken}; each line must be one object") from None
    if not isinstance(found, dict):
        raise TraceError(f"{where}: {type(found).__name__} in place of an object; each line must be one object")
    return found


def _request(found: dict[str, Any], *, source: str, line: int) -> TraceRequest:
    columns = locate(found, source=source, line=line)
    values = {what: _scalar(found[name], f"{source}:{line}, key {name}") for what, name in columns.items()}
    blocks = found.get("hash_ids")
    is_mooncake = isinstance(blocks, list)
    unit = _MS if is_mooncake else 1
    return TraceRequest(
        at_s=seconds(values[TIME], where=f"{source}:{line}, key {columns[TIME]}") / unit,
        input_tokens=tokens(values[INPUT_TOKENS], where=f"{source}:{line}, key {columns[INPUT_TOKENS]}"),
        output_tokens=tokens(values[OUTPUT_TOKENS], where=f"{source}:{line}, key {columns[OUTPUT_TOKENS]}"),
        model=str(values[MODEL]) if MODEL in values else None,
        task=str(values[TASK]) if TASK in values else None,
        tags=tuple(sorted((tag, str(found[name])) for tag, name in tag_columns(found).items())),
        prefix_blocks=tuple(blocks) if isinstance(blocks, list) else (),
        block_tokens=_MOONCAKE_BLOCK_TOKENS if is_mooncake else 0,
    )


def _scalar(value: Any, where: str) -> str | float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    raise TraceError(f"{where}: {value!r} is neither a number nor text")
