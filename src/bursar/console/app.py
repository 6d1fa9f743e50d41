"""The ASGI application beside the gateway: health, metrics, the JSON API and the pages."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bursar.console.metrics import exposition
from bursar.gateway.state import Gateway


def create_app(*, gateway: Gateway) -> Starlette:
    """Build the application over one worker's gateway."""

    async def healthz(request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        """Whether this worker takes calls; 503 with the reasons when it does not."""
        reasons = gateway.trouble()
        return JSONResponse({"ready": not reasons, "reasons": reasons}, status_code=503 if reasons else 200)

    async def metrics(request: Request) -> Response:
        """Counters in Prometheus' text format."""
        return Response(exposition(gateway), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])
