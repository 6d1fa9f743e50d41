"""AWS Signature Version 4 for Bedrock requests, pure given the credentials and the time.

The algorithm is botocore's; its own entry point reads the clock, so the time is set where that one would. The path is
signed as it arrives, percent-encoded, and encoded once more in the canonical request, as every service but S3 expects
(docs.aws.amazon.com/IAM, "Create a signed AWS API request", read 2026-11).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from msgspec import Struct

_SERVICE: Final = "bedrock"


class AwsCredentials(Struct, frozen=True):
    """What signs a request; resolving and refreshing it is the caller's."""

    access_key: str
    secret_key: str
    token: str | None = None
    """Session token of temporary credentials."""


def sign(
    credentials: AwsCredentials,
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    now_us: int,
) -> dict[str, str]:
    """The headers to send: those given and ``Authorization``, ``X-Amz-Date`` and, with a token, the security token.

    All headers given are signed, so give only those that reach AWS unchanged. ``url`` is the full one, encoded as it is
    sent; ``now_us`` is Unix microseconds and must be within five minutes of Amazon's clock.
    """
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    request.context["timestamp"] = datetime.fromtimestamp(now_us // 1_000_000, UTC).strftime(SIGV4_TIMESTAMP)
    _Signer(credentials, _SERVICE, region).sign_at_timestamp(request)
    return dict(request.headers.items())


class _Signer(SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    """botocore's signer with the time taken from the request's context."""

    def sign_at_timestamp(self, request: AWSRequest) -> None:
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))
