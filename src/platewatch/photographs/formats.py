"""File formats of photographs (PNG, JPEG, BMP, TIFF, WebP): magic bytes, suffixes, media type, end of file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Format:
    """One file format of photographs."""

    name: str
    """Pillow's name of the format."""
    magic: tuple[bytes, ...]
    """A file of this format begins with one of these."""
    suffixes: tuple[str, ...]
    """Suffixes of file names; the first one is used for a photograph without a name."""
    media_type: str
    has_end: Callable[[bytes], bool] | None = None
    """Whether the bytes of a file of this format contain its end; None where only decoding can tell."""
    has_mark: bool = False
    """Whether the end is a mark that is written last; otherwise a file of full length may still be incomplete."""


def _jpeg_end(data: bytes) -> bool:
    return data.rfind(b"\xff\xd9") > data.rfind(
        b"\xff\xda"
    )  # an embedded thumbnail has an end too, before the last scan


def _webp_end(data: bytes) -> bool:
    return len(data) >= 8 + int.from_bytes(data[4:8], "little")


def _bmp_end(data: bytes) -> bool:
    return len(data) >= int.from_bytes(data[2:6], "little")


PNG = Format(
    "PNG",
    (b"\x89PNG\r\n\x1a\n",),
    (".png",),
    "image/png",
    has_end=lambda data: b"IEND\xaeB`\x82" in data,
    has_mark=True,
)  # the last chunk is empty, so that its checksum is always the same
JPEG = Format(
    "JPEG", (b"\xff\xd8\xff",), (".jpg", ".jpeg"), "image/jpeg", _jpeg_end, has_mark=True
)  # also MPO, as some cameras write
BMP = Format("BMP", (b"BM",), (".bmp",), "image/bmp", _bmp_end)
TIFF = Format("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), (".tif", ".tiff"), "image/tiff")  # + is BigTIFF
WEBP = Format("WEBP", (b"RIFF",), (".webp",), "image/webp", _webp_end)

FORMATS = (PNG, JPEG, BMP, TIFF, WEBP)
SUFFIXES = tuple(chain.from_iterable(each.suffixes for each in FORMATS))


def of(data: bytes) -> Format | None:
    """The format by the file's first bytes; None when it is none of these."""
    return next((each for each in FORMATS if data.startswith(each.magic)), None)


_BEGIN = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xc0-\xfe]|BM.{4}\0{4}.{4}[\x28\x6c\x7c]\0\0\0|RIFF.{4}WEBP|II[*+]\0|MM\0[*+]",
    re.DOTALL,
)  # longer than `magic` where that may occur by chance


def next_file(data: bytes) -> bytes:
    """`data` from where a file of one of these formats may begin; empty when there is no such place."""
    found = _BEGIN.search(data)
    return data[found.start() :] if found else b""


_FOREIGN = {
    b"GIF8": "GIF",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"\0\0\1\0": "icon",
    b"P5": "PGM",
    b"P6": "PPM",
    b"FUJIFILM": "camera raw",
}


def foreign(data: bytes) -> str:
    """The name of a format of pictures that is not read, by the file's first bytes; empty when it is none of them."""
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF or video"
    return next((name for magic, name in _FOREIGN.items() if data.startswith(magic)), "")


def suffix(data: bytes) -> str:
    """The suffix for a photograph's file name; `.bin` for an unknown format."""
    found = of(data)
    return found.suffixes[0] if found else ".bin"


def media_type(data: bytes) -> str:
    """A photograph's media type; a type that no browser executes for an unknown format."""
    found = of(data)
    return found.media_type if found else "application/octet-stream"


def has_end(data: bytes) -> bool:
    """False when the end of the file is missing; True when it is there, or when only decoding can tell.

    A decoder may accept an incomplete file, whose hash would change with the bytes that follow.
    """
    found = of(data)
    if found is None:
        return not any(magic.startswith(data) for each in FORMATS for magic in each.magic)
    return found.has_end is None or found.has_end(data)


def has_end_mark(data: bytes) -> bool:
    """Whether the file has its end, and its format marks it by bytes that are written last."""
    found = of(data)
    return found is not None and found.has_mark and has_end(data)
