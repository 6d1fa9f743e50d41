"""The simulator's own pages below `/_simulator/`: its account, for whoever wants to compare.

``GET /_simulator/account?since=N`` gives one JSON line an entry, ``GET /_simulator/summary`` the totals.
"""

import msgspec

from bursar.simulator.account import Account
from bursar.simulator.exchange import Call
from bursar.simulator.sse import JSON, encode

_LINES = b"application/x-ndjson"


def admin_page(call: Call, account: Account) -> tuple[int, bytes, bytes]:
    """Status, content type and body of one page."""
    match call.method, call.path:
        case "GET", "/_simulator/account":
            since = call.query.get("since", "0")
            if not since.isdecimal():
                return 400, JSON, encode({"error": f"since must be a sequence number, got {since!r}"})
            return 200, _LINES, b"".join(msgspec.json.encode(one) + b"\n" for one in account.since(int(since)))
        case "GET", "/_simulator/summary":
            return 200, JSON, encode(account.summary())
        case _:
            return 404, JSON, encode({"error": "known pages: GET /_simulator/account?since=N, GET /_simulator/summary"})
