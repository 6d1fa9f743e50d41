"""Multipart forms, as file uploads send them."""

from io import BytesIO

from msgspec import Struct
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from bursar.simulator.exchange import Call, Problem


class Form(Struct, frozen=True):
    """Fields by name (of repeated ones, the last) and the files in order."""

    fields: dict[str, str]
    files: tuple[tuple[str, bytes], ...]

    def has(self, name: str) -> bool:
        """Whether a field says yes."""
        return self.fields.get(name, "").lower() in ("true", "1")


def read_form(call: Call) -> Form:
    """Read a form; a `Problem` when the body is not one."""
    fields: dict[str, str] = {}
    files: list[tuple[str, bytes]] = []

    def on_field(field: Field) -> None:
        fields[(field.field_name or b"").decode()] = (field.value or b"").decode(errors="replace")

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        files.append(((file.field_name or b"").decode(), file.file_object.read()))
        file.close()

    headers = {name.title(): value.encode("latin-1") for name, value in call.headers.items()}
    headers["Content-Length"] = str(len(call.body)).encode()
    try:
        parse_form(headers, BytesIO(call.body), on_field, on_file)
    except (FormParserError, ValueError):
        raise Problem("invalid", "Could not parse multipart form") from None
    return Form(fields, tuple(files))
