"""Form fields of a multipart upload, as policy needs them; file contents are skipped, not copied."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from bursar.errors import Refusal

MAX_FIELD_BYTES: Final = 1024 * 1024
"""Longest value of a field that is read (a prompt); longer ones are cut, files are never read."""


class Form(NamedTuple):
    """A form's text fields by name, and how much else it holds."""

    fields: Mapping[str, str]
    files: int
    file_bytes: int


def read_form(content_type: str, body: bytes) -> Form:
    """Read a form.

    Raises Refusal ``invalid_request`` when the body is not the form its content type says, or names a field twice: two
    parsers that disagree on which one counts would meter another model than the provider runs.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Refusal("invalid_request", f"expected multipart/form-data with a boundary, got {content_type[:80]!r}")
    form = _Form()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": form.part_begin,
            "on_header_field": form.header_name,
            "on_header_value": form.header_value,
            "on_header_end": form.header_end,
            "on_headers_finished": form.headers_finished,
            "on_part_data": form.part_data,
            "on_part_end": form.part_end,
            "on_end": form.end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as broken:
        raise Refusal("invalid_request", f"the multipart body cannot be read: {broken}") from None
    if not form.is_complete:
        raise Refusal("invalid_request", "the multipart body ends before its closing boundary")
    return Form(form.fields, form.files, form.file_bytes)


class _Form:
    """Receives the parser's callbacks."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.files = 0
        self.file_bytes = 0
        self.is_complete = False
        self._header_name = b""
        self._header_value = b""
        self._name: str | None = None
        self._is_file = False
        self._value = bytearray()

    def part_begin(self) -> None:
        self._name = None
        self._is_file = False
        self._value.clear()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            name = options.get(b"name")
            self._name = None if name is None else name.decode(errors="replace")
            self._is_file = b"filename" in options
        self._header_name = self._header_value = b""

    def headers_finished(self) -> None:
        if self._name is None:
            raise Refusal("invalid_request", "a part of the multipart body has no name")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.file_bytes += end - start
        else:
            room = MAX_FIELD_BYTES - len(self._value)
            self._value += data[start : min(end, start + room)]

    def part_end(self) -> None:
        self.files += self._is_file
        if self._is_file or self._name is None:
            return
        if self._name in self.fields and not self._name.endswith("[]"):
            raise Refusal("invalid_request", f"the form field {self._name[:80]!r} is given twice")
        self.fields[self._name] = self._value.decode(errors="replace")

    def end(self) -> None:
        self.is_complete = True
