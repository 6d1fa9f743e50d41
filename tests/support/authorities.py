"""Throw-away certificates and the TLS contexts of loopback servers."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import trustme


class Authority:
    """A certificate authority whose file a client can be told to trust."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = str(folder / "authority.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def serving(self, *names: str, not_after: datetime | None = None) -> ssl.SSLContext:
        """A server's context with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        self._ca.issue_cert(*names, not_after=not_after).configure_cert(context)
        return context


LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
