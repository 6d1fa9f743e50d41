"""The API's operation on alerts."""

from typing import Final

from bursar.console.operation import Operation, Parameter

MOST: Final = 500

DEFAULT: Final = 100

ALERT_OPERATIONS: Final = (
    Operation(
        name="alerts",
        path="/alerts",
        summary="What somebody should know, newest first",
        text="Alerts about budgets, agent runs, usage and stores, and how telling the webhooks of them went.",
        parameters=(
            Parameter("open", "`true` for those that are not resolved.", {"type": "boolean", "default": False}),
            Parameter("before", "Only alerts before this id.", {"type": "integer", "minimum": 1}),
            Parameter(
                "limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT}
            ),
        ),
        answer="Alerts",
        errors=(400, 503),
        headers={"link": 'The next page, as rel="next"; absent on the last one.'},
    ),
)
