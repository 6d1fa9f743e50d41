"""The admin token: who may change something over HTTP before people can sign in.

Fails closed: without the token, or with any other, every operation that writes is refused with 401 before its body is
read. Only the token's hash is kept in memory, and hashes are compared in constant time.
"""

import hmac
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from bursar.policy.secret import hash_key

ACTOR: Final = "admin token"
"""Who writes, in the audit log."""


class AdminToken:
    """Recognises the token."""

    def __init__(self, token: bytes) -> None:
        self._digest: Final = hash_key(token)

    def recognises(self, request: Request) -> bool:
        """Whether the request presents the token."""
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        digest = hash_key(presented.strip().encode("latin-1"))
        return scheme.lower() == "bearer" and hmac.compare_digest(digest, self._digest)

    def check(self, request: Request) -> None:
        """Raise 401 unless the request presents the token."""
        if not self.recognises(request):
            raise HTTPException(
                401,
                "this changes something, so it needs the admin token of the gateway's data folder: "
                "authorization: Bearer TOKEN",
                headers={"www-authenticate": "Bearer"},
            )
