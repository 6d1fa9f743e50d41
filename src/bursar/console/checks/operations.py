"""The API's operation that looks at a request without sending it."""

from typing import Final

from bursar.console.operation import Operation

CHECK_OPERATIONS: Final = (
    Operation(
        name="check",
        path="/check",
        method="POST",
        is_question=True,
        summary="What would become of a request",
        text="Takes a described request through everything that decides about it and tells key, tags, price, bound and "
        "its arithmetic, and every limit, budget and run rule it meets with limit, spent, reserved and what it would "
        "take. Nothing is sent, held or recorded. It is looked at as the holder of the virtual key that is presented; "
        "with the admin token, as the key that the body names or that its headers present.",
        body="CheckQuestion",
        answer="Check",
        errors=(400, 401, 404, 503),
    ),
)
