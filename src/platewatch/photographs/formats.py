"""The formats of photographs: first bytes, suffixes, media type, and whether a file's end can be told."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Format:
    """One format of photographs."""

    name: str
    """Pillow's."""
    magic: tuple[bytes, ...]
    """A file begins with one of these."""
    suffixes: tuple[str, ...]
    """The first one is given to a photograph that came without a name."""
    media_type: str
    has_end: Callable[[bytes], bool] | None = None
    """Whether a file that begins as this format holds its end; None where only decoding can tell."""


def _jpeg_end(data: bytes) -> bool:
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # an embedded thumbnail ends too, but before the last scan


def _webp_end(data: bytes) -> bool:
    return len(data) >= 8 + int.from_bytes(data[4:8], "little")


def _bmp_end(data: bytes) -> bool:
    return len(data) >= int.from_bytes(data[2:6], "little")


PNG = Format(
    "PNG", (b"\x89PNG\r\n\x1a\n",), (".png",), "image/png", has_end=lambda data: b"IEND\xaeB`\x82" in data
)  # the last chunk has no content, so that its checksum is fixed
JPEG = Format("JPEG", (b"\xff\xd8\xff",), (".jpg", ".jpeg"), "image/jpeg", _jpeg_end)  # with MPO, of some cameras' .jpg
BMP = Format("BMP", (b"BM",), (".bmp",), "image/bmp", _bmp_end)
TIFF = Format("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), (".tif", ".tiff"), "image/tiff")  # + is BigTIFF
WEBP = Format("WEBP", (b"RIFF",), (".webp",), "image/webp", _webp_end)

FORMATS = (PNG, JPEG, BMP, TIFF, WEBP)
SUFFIXES = tuple(chain.from_iterable(each.suffixes for each in FORMATS))


def of(data: bytes) -> Format | None:
    """The format that a file's first bytes say; None for any other file."""
    return next((each for each in FORMATS if data.startswith(each.magic)), None)


def suffix(data: bytes) -> str:
    """What the name of a photograph's file ends in."""
    found = of(data)
    return found.suffixes[0] if found else ".bin"


def media_type(data: bytes) -> str:
    """A photograph's media type; nothing that a browser would run."""
    found = of(data)
    return found.media_type if found else "application/octet-stream"


def has_end(data: bytes) -> bool:
    """False when the file surely goes on; True when its end is there, or when only decoding can tell.

    Decoders are content with less than a complete file, and what comes after would change the file's hash.
    """
    found = of(data)
    if found is None:
        return not any(magic.startswith(data) for each in FORMATS for magic in each.magic)
    return found.has_end is None or found.has_end(data)
