"""The API's operations on virtual keys, and the audit log that tells who used them."""

from typing import Final

from bursar.console.operation import Operation, Parameter

MOST: Final = 1000
"""Rows of one answer."""

_NAME: Final = Parameter("name", "The key's name.", {"type": "string"}, place="path")

_LIMIT: Final = Parameter(
    "limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST}
)

_NEXT: Final = {"link": 'The next page, as rel="next"; absent on the last one.'}

KEY_OPERATIONS: Final = (
    Operation(
        name="keys",
        path="/keys",
        summary="All virtual keys by name",
        text="Those of bursar.toml, which only the file changes, and those made at run time. Nothing in it is secret.",
        parameters=(
            Parameter("deleted", "Deleted keys as well.", {"type": "boolean", "default": False}),
            Parameter("after", "Only keys whose names follow this one.", {"type": "string"}),
            _LIMIT,
        ),
        answer="Keys",
        errors=(400, 503),
        headers=_NEXT,
    ),
    Operation(
        name="create_key",
        path="/keys",
        method="POST",
        summary="Make a virtual key",
        text="The answer holds the key's secret, which is shown this once and kept nowhere.",
        body="KeyGrant",
        status=201,
        answer="IssuedKey",
        errors=(400, 401, 409, 503),
    ),
    Operation(
        name="key",
        path="/keys/{name}",
        summary="One virtual key",
        text="Deleted keys are still known.",
        parameters=(_NAME,),
        answer="Key",
        errors=(404, 503),
    ),
    Operation(
        name="change_key",
        path="/keys/{name}",
        method="PATCH",
        summary="Change some of a key's terms",
        text="What the body does not name stays as it is. `enabled` disables a key and enables it again.",
        parameters=(_NAME,),
        body="KeyChanges",
        answer="Key",
        errors=(400, 401, 404, 409, 503),
    ),
    Operation(
        name="delete_key",
        path="/keys/{name}",
        method="DELETE",
        summary="End a key for good",
        text="Its record stays, and its name is given to no other key.",
        parameters=(_NAME,),
        answer="Key",
        errors=(401, 404, 409, 503),
    ),
    Operation(
        name="rotate_key",
        path="/keys/{name}/rotate",
        method="POST",
        summary="Give a key a new secret",
        text="The old secret stays valid for the overlap. The answer holds the new one, which is shown this once.",
        parameters=(_NAME,),
        body="Rotation",
        answer="IssuedKey",
        errors=(400, 401, 404, 409, 503),
    ),
    Operation(
        name="audit_log",
        path="/audit-log",
        summary="Who changed what, newest first",
        text="Every change of keys, budgets and top-ups, made by the command line or this API.",
        parameters=(
            Parameter("subject", "Only changes of what has this name.", {"type": "string"}),
            Parameter("before", "Only entries before this id.", {"type": "integer", "minimum": 1}),
            _LIMIT,
        ),
        answer="AuditLog",
        errors=(400, 503),
        headers=_NEXT,
    ),
)
