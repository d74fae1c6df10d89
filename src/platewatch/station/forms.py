"""A form with a photograph (multipart/form-data), parsed while it arrives; the photograph is kept in memory."""

import codecs
import difflib
import io
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

from platewatch.station.problem_details import RequestError

PHOTOGRAPH = "photograph"
"""The part of this name is the photograph also when it comes without a file name."""
PLATE_ID, PART_TYPE = "plate_id", "part_type"
_ELSEWHERE = {"name": "in the query", "source": "in the query", "Idempotency-Key": "a header"}
_OTHER_NAMES = ("id", "name", "source")
"""Fields that would be ignored although their sender means something that the station knows."""
_ALIKE = 0.7  # of difflib: plateid, plate-no and palte_id are meant for plate_id, part-type for part_type
_CHARSETS = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252")
_PARTS = 1000
_TEXT = 2**16  # bytes of all fields and of all headers of parts


@dataclass
class Form:
    """What a form holds."""

    fields: dict[str, str] = field(default_factory=dict)
    photograph: bytes | None = None
    name: str | None = None
    """The photograph's file name."""


async def parse(content_type: str, stream: AsyncIterator[bytes]) -> Form:
    """The form; raises RequestError 400 for what is no form with at most one file, 422 for text that is not UTF-8.

    A part is the file when it has a file name, is called `photograph`, or has the content type of bytes or a picture.
    The other fields are kept as text. 422 too for a plate_id or part_type that is given twice, and for a name that
    resembles a known one.
    """
    _, options = parse_options_header(content_type.encode("latin-1"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise malformed("the form has no boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        async for piece in stream:
            parser.write(piece)
        parser.finalize()
    except FormParserError as error:
        raise malformed("no complete form") from error
    if not parts.ended:
        raise malformed("no complete form")
    return parts.form


class _Parts:
    """The parser's callbacks: they collect headers and content of one part after the other."""

    def __init__(self) -> None:
        self.form, self.ended = Form(), False
        self._number = self._text = 0
        self._header_name, self._header_value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field: str | None = None  # None while the part is the file
        self._content = io.BytesIO()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header(self._header_name, data[start:end]),
            "on_header_value": lambda data, start, end: self._header(self._header_value, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._number += 1
        if self._number > _PARTS:
            raise malformed(f"more than {_PARTS} parts")
        self._headers, self._content = {}, io.BytesIO()

    def _count(self, length: int) -> None:
        self._text += length
        if self._text > _TEXT:
            raise malformed(f"more than {_TEXT} bytes of fields")

    def _header(self, collected: bytearray, data: bytes) -> None:
        self._count(len(data))
        collected += data

    def _header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise malformed("a part of the form has no name")
        name = _decoded(options[b"name"], "utf-8", "the name of a field")
        self._field = None if self._is_file(name, options) else name
        if self._field is not None:
            _check_field(self._field, self.form.fields)
        else:
            if self.form.photograph is not None:
                raise malformed("the form has several files")
            self.form.photograph = b""
            self.form.name = options.get(b"filename", b"").decode(errors="replace") or None

    def _is_file(self, name: str, options: dict[bytes, bytes]) -> bool:
        kind, _ = parse_options_header(self._headers.get(b"content-type"))
        holds_bytes = kind.startswith(b"image/") or kind == b"application/octet-stream"
        encoded = b"filename*=" in self._headers.get(b"content-disposition", b"").lower()  # the parser leaves it out
        return holds_bytes or name == PHOTOGRAPH or b"filename" in options or encoded

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is not None:
            self._count(end - start)
        self._content.write(memoryview(data)[start:end])

    def _end(self) -> None:
        content = self._content.getvalue()
        if self._field is None:
            self.form.photograph = content
            return
        _, options = parse_options_header(self._headers.get(b"content-type"))
        charset = options.get(b"charset", b"utf-8").decode("latin-1")
        self.form.fields[self._field] = _decoded(content, charset, f"the field {self._field}")

    def _finish(self) -> None:
        self.ended = True


def _check_field(name: str, before: Mapping[str, str]) -> None:
    """Raise RequestError 422 for a second plate_id, and for a name that resembles a known one."""
    elsewhere = ", ".join(f"{known} ({where})" for known, where in _ELSEWHERE.items())
    expected = f"{PLATE_ID} once, {PART_TYPE} once, {PHOTOGRAPH}; {elsewhere}"
    if name in (PLATE_ID, PART_TYPE):
        if name in before:
            raise RequestError(422, "invalid", f"{name} is given several times", expected=expected, next="fix the form")
        return
    letters = re.sub(r"[\W_]", "", name.casefold())
    alike = difflib.get_close_matches(letters, ["plateid", "parttype", "idempotencykey"], cutoff=_ALIKE)
    if alike or letters in _OTHER_NAMES:
        what = f"unknown field {name[:60]!r}"
        raise RequestError(422, "invalid", what, expected=expected, next="correct or remove it")


def malformed(what: str) -> RequestError:
    """The error for a malformed or too large form."""
    return RequestError(400, "malformed", what, expected="multipart/form-data with one file", next="fix the client")


def _decoded(text: bytes, charset: str, where: str) -> str:
    """The decoded text; raises RequestError 422 when it is not valid in this charset."""
    try:
        known = codecs.lookup(charset).name
        return text.decode(known if known in _CHARSETS else "ascii")
    except (LookupError, UnicodeError) as error:
        what = f"{where} is not {charset[:40]}"
        raise RequestError(422, "invalid", what, expected="text in UTF-8", next="fix the client") from error
