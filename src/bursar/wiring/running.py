"""Asking the gateway that runs on a configuration, over its own API, as the owner of its data folder."""

import http.client
from pathlib import Path
from typing import Any, Final

import msgspec

from bursar.config import Config
from bursar.errors import BursarError, ConfigError, GatewayUnavailable
from bursar.wiring.admin import FILE

TIMEOUT_S: Final = 30.0

_ANY: Final = ("", "0.0.0.0", "::")  # noqa: S104 - what a gateway may listen on, not where this connects to

_FIRST_ERROR: Final = 400


class RunningGateway:
    """The API of the gateway that a configuration describes."""

    def __init__(self, config: Config, data_dir: Path) -> None:
        host = config.server.host
        self._host: Final = "127.0.0.1" if host in _ANY else host
        self._port: Final = config.server.port
        self._token_file: Final = data_dir / FILE

    @property
    def address(self) -> str:
        """Where it should be."""
        return f"{self._host}:{self._port}"

    def ask(self, path: str, body: object = None) -> Any:
        """The answer to a GET or, with a body, to a POST below `/api/v1`.

        Raises GatewayUnavailable when no gateway of this data folder answers, and BursarError with its own words when
        it refuses.
        """
        status, answer = self._exchange(f"/api/v1{path}", body)
        if status == http.client.UNAUTHORIZED:
            raise GatewayUnavailable(f"the gateway at {self.address} does not belong to this data folder")
        if status >= _FIRST_ERROR:
            raise BursarError(f"the gateway at {self.address} answered {status}: {_message(answer)}")
        return answer

    def readiness(self) -> tuple[bool, tuple[str, ...]]:
        """Whether it takes calls, and its reasons and remarks; raises GatewayUnavailable."""
        _, answer = self._exchange("/readyz", None)
        return bool(answer.get("ready")), tuple(answer.get("reasons", ()))

    def _exchange(self, path: str, body: object) -> tuple[int, Any]:
        data = None if body is None else msgspec.json.encode(body)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET" if data is None else "POST", path, body=data, headers=self._headers())
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read() or b"null")
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as failed:
            raise GatewayUnavailable(f"no gateway answers at {self.address}: {failed}") from None
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        headers = {"host": "127.0.0.1", "content-type": "application/json"}
        try:
            headers["authorization"] = f"Bearer {self._token_file.read_text(encoding='ascii').strip()}"
        except FileNotFoundError:
            pass  # Without a token it answers what needs none.
        except (OSError, UnicodeDecodeError) as unreadable:
            raise ConfigError(f"the admin token in {self._token_file} cannot be read: {unreadable}") from None
        return headers


def _message(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("message", error)) if isinstance(error, dict) else str(answer)
