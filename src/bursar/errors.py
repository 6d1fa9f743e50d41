"""Errors that callers must tell apart; everything else is a built-in exception.

A `Refusal` is the gateway's answer to a request it will not forward. Its ``code`` is public: `docs/errors.md` says for
each one what it means and the way out, and dialects dress it as their own kind of error object.
"""

from typing import Final


class BursarError(Exception):
    """Base of the errors that are ours; the message names the thing, the value, the limit and the way out."""


class ConfigError(BursarError):
    """The configuration cannot be used; the message names the file, the key and the nearest valid spelling."""


class LedgerUnavailable(BursarError):
    """The ledger cannot be read or written right now."""


class CountersUnavailable(BursarError):
    """Nobody can say what is spent and held right now."""


class ControlUnavailable(BursarError):
    """The control state (keys, budgets, alerts) cannot be read or written right now; nothing is known of it."""


class GatewayUnavailable(BursarError):
    """No gateway answers where one was expected."""


class Refusal(BursarError):
    """A request the gateway will not forward.

    ``code`` is one of `REFUSALS`; ``retry_after_s`` is given only where waiting helps.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = REFUSALS[code]
        self.retry_after_s = retry_after_s


REFUSALS: Final[dict[str, int]] = {
    "invalid_request": 400,
    "missing_tags": 400,
    "output_too_large": 400,
    "missing_key": 401,
    "invalid_key": 401,
    "disabled_key": 401,
    "expired_key": 401,
    "unpriced_model": 402,
    "budget_exceeded": 402,
    "task_budget_exceeded": 402,
    "cost_ceiling": 402,
    "model_not_allowed": 403,
    "network_not_allowed": 403,
    "route_not_allowed": 403,
    "tag_not_allowed": 403,
    "run_limit": 403,
    "route_not_metered": 404,
    "unknown_provider": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "body_too_large": 413,
    "input_too_large": 413,
    "rate_limited": 429,
    "concurrency_limited": 429,
    "provider_rate_limited": 429,
    "headers_too_large": 431,
    "internal_error": 500,
    "upstream_unreachable": 502,
    "upstream_invalid": 502,
    "identity_unavailable": 503,
    "provider_not_configured": 503,
    "ledger_unavailable": 503,
    "budget_unavailable": 503,
    "shutting_down": 503,
    "upstream_timeout": 504,
}
"""Refusal codes and their HTTP status."""
