"""Pages of lists that grow at their head: a number in a query, and the link to the page that follows."""

from urllib.parse import urlencode

from starlette.requests import Request

from bursar.ledger.questions import QuestionError


def number(text: str | None, name: str, *, most: int, default: int | None = None) -> int:
    """A whole number from 1 to ``most``, by default that; raises QuestionError naming the parameter."""
    if text is None:
        return most if default is None else default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise QuestionError(f"{name}: {text[:40]!r} is not a whole number from 1 to {most}")
    return int(text)


def next_link(request: Request, **position: str) -> dict[str, str]:
    """The Link header that leads to the page from this position on."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in position]
    return {"link": f'<{request.url.path}?{urlencode([*kept, *position.items()])}>; rel="next"'}
