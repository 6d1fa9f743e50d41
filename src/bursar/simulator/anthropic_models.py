"""Anthropic's model list (`GET /v1/models`; API reference, read 2026-11)."""

from bursar.simulator.exchange import Reply, whole
from bursar.simulator.generation import Request
from bursar.simulator.models import ANTHROPIC_MODELS
from bursar.simulator.sse import JSON, encode


def list_anthropic_models(_: Request) -> Reply:
    """One page with all there are."""
    data = [
        {"type": "model", "id": one, "display_name": one, "created_at": "2026-01-01T00:00:00Z"}
        for one in ANTHROPIC_MODELS
    ]
    body = {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}
    return Reply(frames=whole(encode(body), has_usage=False), content_type=JSON)
