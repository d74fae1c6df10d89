"""The structure of a photograph's file, before a decoder walks through it: number of parts, size of metadata.

A decoder may take microseconds for each chunk, segment or tag, and may copy each tag's value. Files with far more of
them than any camera or program writes are refused here.
"""

import struct
from collections.abc import Iterator
from typing import Any

from platewatch.photographs import formats

_PARTS = 1000  # chunks or segments of any file
_BYTES_PER_PART = 1024  # in larger files: mean size of a part, at least
_SCANS = 100  # of a progressive JPEG; encoders write about 10
_ENTRIES = 1000  # tags of a directory
_VALUES = 500_000  # numbers in a directory: two for each strip, 196,608 for a palette of 16 bits
_SLACK = 2**22  # bytes that the tags' values may have beyond the file's length
_RUNS = 1_000_000  # of a run-length encoded BMP
_DIRECTORIES = (0x8769, 0x8825, 0xA005)  # tags that hold the place of another directory: EXIF, GPS, interoperability
PER_PX = {"PNG": 9, "JPEG": 7, "BMP": 12, "TIFF": 13, "WEBP": 25}
"""Bytes of memory a pixel while decoding, by format, of the usual files; some layouts take more (`decoding_bytes`)."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_BYTES = (1, 2, 6, 7)  # types whose values stay bytes
_TEXT = (b"zTXt", b"iTXt")  # of a PNG; a decoder unpacks each to as much as 1 MiB
_TEXTS = 16
_SAMPLES = 277  # tag of a TIFF: samples per pixel
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # of a JPEG
_PROFILE = "Raw profile type exif"
_EXIF = b"Exif\0\0"
_SOS, _EOI, _APP1, _APP13, _ALONE = 0xDA, b"\xff\xd9", 0xE1, 0xED, (0x01, *range(0xD0, 0xDA))


def fault(data: bytes) -> str | None:
    """Why a decoder should not be given this file; None when its structure is that of a photograph.

    Looks at places only, decodes nothing; ends as soon as a limit is exceeded.
    """
    kind = formats.of(data)
    if kind is formats.PNG:
        return _parts_fault(data, _png_chunks(data), b"eXIf")
    if kind is formats.WEBP:
        return _parts_fault(data, _riff_chunks(data), b"EXIF")
    if kind is formats.JPEG:
        return _jpeg_fault(data)
    if kind is formats.TIFF:
        return directory_fault(data)
    if kind is formats.BMP and int.from_bytes(data[30:34], "little") in {1, 2} and len(data) // 2 > _RUNS:
        return f"run-length encoded, more than {_RUNS} runs"
    return None


def drop_large_profile(info: dict[str | tuple[int, int], Any]) -> None:
    """Remove the EXIF data that some programs write into a PNG's text, when its tags should not be read."""
    text = info.get(_PROFILE)
    if isinstance(text, str):
        digits = "".join(text.split("\n")[3:])
        try:
            fault_found = directory_fault(bytes.fromhex(digits))
        except ValueError:
            fault_found = "no EXIF data"
        if fault_found is not None:
            del info[_PROFILE]


def decoding_bytes(data: bytes, pixels: int) -> int:
    """Largest memory in bytes for reading a file of `pixels` pixels, besides the file's own bytes.

    Measured for each format (docs/log.md): the decoder's picture, its own copies, and the photograph (H, W, 3).
    """
    kind = formats.of(data)
    per_px = PER_PX[kind.name] if kind is not None and kind.name in PER_PX else max(PER_PX.values())
    if kind is formats.PNG and (data[24:25] == b"\x10" or data[25:26] == b"\3"):  # 16 bits, or a palette
        per_px = 14
    elif kind is formats.JPEG:
        per_px += (4 if _keeps_coefficients(data) else 0) + (9 if _has_four_components(data) else 0)
    elif kind is formats.TIFF:
        per_px = 4 + 3 * max(1, min(_first_value(data, _SAMPLES), 8))
    return per_px * pixels + len(data)  # a decoder is handed a copy of the parts that it needs


def _has_four_components(data: bytes) -> bool:
    frames = (content for marker, _, content in _jpeg_segments(data) if marker in _FRAMES)
    return any(len(frame) > 5 and frame[5] > 3 for frame in frames)


def _first_value(data: bytes, tag: int) -> int:
    """The first value of a tag in the first directory of a TIFF; 1 when it is not there."""
    view = memoryview(data)
    layout = _Layout("<" if data[:2] == b"II" else ">", large=data[2:4] in {b"+\0", b"\0+"})
    place = layout.place(view, 8 if layout.large else 4)
    first = place + layout.head
    for at in range(first, first + layout.step * min(layout.entries(view, place), _ENTRIES), layout.step):
        if at + layout.step <= len(view) and struct.unpack_from(f"{layout.order}H", view, at)[0] == tag:
            value: int = struct.unpack_from(f"{layout.order}H", view, at + 4 + layout.width)[0]
            return value
    return 1


def _keeps_coefficients(data: bytes) -> bool:
    """Whether a JPEG has several scans: a decoder then keeps the whole picture's coefficients too."""
    return _scans(data, next((place for marker, place, _ in _jpeg_segments(data) if marker == _SOS), 0)) > 1


def _most_parts(data: bytes) -> int:
    return _PARTS + len(data) // _BYTES_PER_PART


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content of each chunk, as long as there is one."""
    view, start = memoryview(data), 8
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(view[start : start + 4], "big")
        yield bytes(view[start + 4 : start + 8]), view[start + 8 : end]
        start = end + 4


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, start = memoryview(data), 12
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(view[start + 4 : start + 8], "little")
        yield bytes(view[start : start + 4]), view[start + 8 : end]
        start = end + end % 2


def _parts_fault(data: bytes, chunks: Iterator[tuple[bytes, memoryview]], exif: bytes) -> str | None:
    most, texts, text_bytes = _most_parts(data), 0, 0
    for number, (name, content) in enumerate(chunks):
        if number >= most:
            return f"more than {most} chunks"
        if name in _TEXT:
            texts, text_bytes = texts + 1, text_bytes + len(content)
            if texts > _TEXTS or text_bytes > _SLACK:
                return "more text than the file of a photograph has"
        if name == exif and (found := directory_fault(content)):
            return found
    return None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    """Marker, place and content of each segment up to the first scan; marker 0 for bytes between segments."""
    view, start = memoryview(data), 2
    while 0 <= start < len(data) - 3:
        marker = data[start + 1] if data[start] == 0xFF else 0
        if marker in {0x00, 0xFF}:
            found = data.find(b"\xff", start + 1)
            yield 0, start, view[start : max(found, start)]
            start = found
            continue
        length = 0 if marker in _ALONE else int.from_bytes(view[start + 2 : start + 4], "big")
        yield marker, start, view[start + 4 : start + 2 + length]
        if marker == _SOS:
            return
        start += 2 + length


def _jpeg_fault(data: bytes) -> str | None:
    most, parts, exif, scans = _most_parts(data), 0, list[memoryview](), 0
    for marker, place, content in _jpeg_segments(data):
        parts += 1
        if marker == 0:
            parts += len(content) // 8  # a decoder skips them one by one
        elif marker == _APP13:
            parts += bytes(content).count(b"8BIM")  # each is a part of its own
        elif marker == _APP1 and content[: len(_EXIF)] == _EXIF:
            exif.append(content[len(_EXIF) :])
        elif marker == _SOS:
            scans = _scans(data, place)
        if parts > most:
            return f"more than {most} segments"
    joined = exif[0] if len(exif) == 1 else b"".join(exif)  # a decoder joins them too
    if scans > _SCANS:  # a decoder goes over the whole picture once for each
        return f"more than {_SCANS} scans"
    return directory_fault(joined)


def _scans(data: bytes, start: int) -> int:
    end = data.find(_EOI, start)
    return data.count(bytes((0xFF, _SOS)), start, len(data) if end < 0 else end)


def directory_fault(file: bytes | memoryview) -> str | None:
    """Why the tags of a TIFF file or of EXIF data should not be read; None when they may be, or are no tags."""
    view = memoryview(file)
    if view[: len(_EXIF)] == _EXIF:
        view = view[len(_EXIF) :]
    order = {b"II": "<", b"MM": ">"}.get(bytes(view[:2]))
    if order is None or len(view) < 16:
        return None  # the decoder refuses it
    layout = _Layout(order, large=view[2:4] in {b"+\0", b"\0+"})
    waiting, seen = [layout.place(view, 8 if layout.large else 4)], set[int]()
    while waiting:
        place = waiting.pop()
        if place in seen or not 0 < place <= len(view) - layout.head:
            continue
        seen.add(place)
        if len(seen) > _PARTS:
            return f"more than {_PARTS} directories"
        found = _entries_fault(view, place, layout)
        if isinstance(found, str):
            return found
        waiting += found
    return None


class _Layout:
    """How a directory is laid out: classic TIFF or BigTIFF, little or big endian."""

    def __init__(self, order: str, *, large: bool) -> None:
        self.order, self.large = order, large
        self.head, self.step, self.width = (8, 20, 8) if large else (2, 12, 4)

    def place(self, view: memoryview, at: int) -> int:
        """The place in the file that is written at `at`; 0 when the file ends there."""
        return int.from_bytes(view[at : at + self.width], "little" if self.order == "<" else "big")

    def entries(self, view: memoryview, at: int) -> int:
        """The number of entries that is written at `at`."""
        return int.from_bytes(view[at : at + self.head], "little" if self.order == "<" else "big")


def _entries_fault(view: memoryview, place: int, layout: _Layout) -> str | list[int]:
    """What is wrong with one directory; else the places of those that it refers to."""
    entries, first = layout.entries(view, place), place + layout.head
    if entries > _ENTRIES:
        return f"more than {_ENTRIES} tags"
    values, size, others = 0, 0, [layout.place(view, first + entries * layout.step)]
    for at in range(first, min(first + entries * layout.step, len(view) - layout.step + 1), layout.step):
        tag, kind = struct.unpack_from(f"{layout.order}HH", view, at)
        count, held = layout.place(view, at + 4), layout.place(view, at + 4 + layout.width)
        unit = _SIZES.get(kind, 1)
        taken = count * unit
        if taken > layout.width:
            taken = min(taken, max(0, len(view) - held))  # what a decoder can read of it
        size += taken
        values += 0 if kind in _BYTES else taken // unit
        if size > len(view) + _SLACK or values > _VALUES:
            return "more metadata than the file can hold"
        if tag in _DIRECTORIES:
            others.append(held)
    return others
