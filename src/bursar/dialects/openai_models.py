"""Routes that no provider charges for: model listings, and what is stored of a response. Recorded, not billed."""

from typing import Final

from bursar.dialects.base import Reading, Request
from bursar.dialects.fields import fields, text
from bursar.dialects.openai_answer import error_reading
from bursar.events import UsageStatus

_SUCCESS: Final = range(200, 300)


def read_bare(body: bytes) -> Request:
    """A request that says nothing to policy beyond its path."""
    return Request(model=None, stream=False, body=body, max_output_tokens=0)


def unbilled_reading(body: bytes, *, status: int, complete: bool) -> Reading:
    """An answer that costs nothing, whatever it says."""
    if status not in _SUCCESS:
        return error_reading(body, status=status, complete=complete)
    model = text(fields(body).get("model"))
    return Reading(usage=None, status=UsageStatus.NONE, model=model, complete=complete)
