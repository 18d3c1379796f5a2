"""Forms with files (multipart/form-data, RFC 7578), parsed in memory.

The web framework's own parser writes every file above a megabyte to a temporary file on disk; this one has
no file to write to. It takes a body that is in memory already and returns views into it where it can.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from recommend.serve.problems import MalformedRequestError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 16
MAX_HEADER_BYTES = 4096


@dataclasses.dataclass(frozen=True)
class Part:
    """One field of a form: its name, whether it came as a file, and its content."""

    name: str
    is_file: bool
    content: bytes


def parse_form(body: bytes, content_type: str) -> list[Part]:
    """Return the parts of a multipart/form-data body; raise MalformedRequestError where it is none."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise MalformedRequestError(
            "The form has no boundary of 1 to 70 characters in its Content-Type. Send multipart/form-data."
        )
    collector = _Collector()
    parser = MultipartParser(boundary, collector.callbacks())
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MalformedRequestError(f"The form cannot be read: {error}. Send multipart/form-data.") from error
    if not collector.ended:
        raise MalformedRequestError("The form ends before its closing boundary. Send it again, whole.")
    return collector.parts


class _Collector:
    """Gathers what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value = bytearray(), bytearray()
        self._content: list[bytes] = []
        self._header_bytes = 0

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise MalformedRequestError(f"The form has more than {MAX_PARTS} parts. Send fewer.")
        self._headers, self._content, self._header_bytes = {}, [], 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise MalformedRequestError(
                f"A part of the form has more than {MAX_HEADER_BYTES} bytes of headers. Send plain fields."
            )

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _part_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.parts.append(Part(name, b"filename" in options, b"".join(self._content)))
        self._content = []

    def _end(self) -> None:
        self.ended = True
