"""Finds and decodes photographs (PNG, JPEG, BMP, TIFF, WebP): bit depth, EXIF orientation, transparency, size."""

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from platewatch.arrays import Array, Photo
from platewatch.errors import InputError
from platewatch.photographs import (
    bit_depth,
    bmp,
    decoder_messages,
    formats,
    jpeg,
    limits,
    memory,
    pictures,
    pillow,
    png,
    structure,
    tiff,
    webp,
)
from platewatch.photographs.formats import SUFFIXES
from platewatch.photographs.pictures import Other
from platewatch.photographs.raster import Raster
from platewatch.photographs.tiff_pages import Page

MAX_BYTES = 512 * 1024 * 1024
_MOST_BEHIND = 8  # files that may follow a photograph in its file
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


def find(folder: Path) -> list[Path]:
    """The photographs directly inside `folder`, sorted by name; hidden files are left out.

    Raises InputError when the folder is missing, is a file, cannot be opened or holds no photograph.
    """
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError as error:
        raise InputError(folder, "no such folder", remedy="check the path") from error
    except NotADirectoryError as error:
        raise InputError(folder, "is a file", expected="a folder of photographs") from error
    except OSError as error:
        raise InputError(folder, f"cannot be opened ({error.strerror})", remedy="check its permissions") from error
    found = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")]
    if not found:
        inside = [entry.name for entry in entries if entry.is_dir()]
        hint = f"it has the folders {', '.join(inside[:5])}: name one of them" if inside else ""
        raise InputError(folder, "no photographs", expected=f"files ending in {' '.join(SUFFIXES)}", remedy=hint)
    return found


def load(path: Path) -> bytes:
    """The bytes of a photograph's file; raises InputError when it cannot be read or is larger than MAX_BYTES."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise InputError(path, "is a folder", expected="a photograph")
        if not stat.S_ISREG(kind):
            what = _KINDS.get(stat.S_IFMT(kind), "no regular file")
            raise InputError(path, f"is {what}", expected="a file", remedy="leave it out")
        data = _bounded(path)
    except FileNotFoundError as error:
        raise InputError(path, "no such file", remedy="check the path") from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!r}", f"no path that can be opened ({error})", remedy="check it") from error
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({error.strerror})", remedy="check the file and its permissions"
        ) from error
    if len(data) > MAX_BYTES:
        raise InputError(path, f"larger than {MAX_BYTES // 2**20} MiB", expected="a photograph", remedy="leave it out")
    return data


def _bounded(path: Path) -> bytes:
    """At most MAX_BYTES + 1 bytes of a file, whatever size it states; empty when it has become a pipe."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def read(source: Path | bytes, name: str | None = None, *, bits: int | None = None) -> Photo:
    """Decode one photograph to (H, W, 3) uint8 RGB, upright by its EXIF orientation.

    Grey stays grey (R = G = B). 16 bits become 8 by division, whatever the picture contains; `bits` is the real depth
    of samples stored with more than 8 bits. Transparent pixels become white. `name` names the photograph in messages
    when the source is bytes. Raises InputError when the source is not one complete photograph of 32 to 8000 px a side
    (`limits.max_side`), when its structure is no photograph's, or when its file is damaged.
    """
    where = name or (str(source) if isinstance(source, Path) else "photograph")
    found = decode(load(source) if isinstance(source, Path) else source, where, bits)
    if found.damage:
        raise damage_error(where, found.damage)
    return found.photo


@dataclass(frozen=True)
class Decoded:
    """A decoded photograph, with damage and messages."""

    photo: Photo
    damage: str = ""
    """Why the file is damaged although it decodes; empty without a sign of damage."""
    messages: tuple[str, ...] = ()
    """The decoders' messages about the file."""


def damage_error(where: str, damage: str) -> InputError:
    """The error for a damaged file that decodes."""
    return InputError(where, f"the file is damaged ({damage})", remedy="copy it again or remove it")


def decode(data: bytes, where: str, bits: int | None = None) -> Decoded:
    """Decode as `read` does, also a damaged file; then `damage` says why the photograph cannot be judged."""
    return _counted(data, where, lambda: _decode(data, where, bits))


def shown(data: bytes, where: str) -> Photo:
    """Decode a photograph for people to look at, (H, W, 3) uint8 RGB: a damaged one, too, and 12 bits in 16 not black.

    Raises InputError when it cannot be decoded. Nothing that judges uses it.
    """
    return _counted(data, where, lambda: _decode(data, where, for_people=True)).photo


def _counted(data: bytes, where: str, run: Callable[[], Decoded]) -> Decoded:
    """What `run` decodes, as soon as there is memory for it."""
    _check_structure(data, where)
    size = _dimensions(data)
    if size is None:
        return run()  # which says why
    limits.check(*size, where)
    decoded = list[Decoded]()

    def photo() -> Photo:
        decoded.append(run())
        return decoded[0].photo

    memory.counted(structure.decoding_bytes(data, size[0] * size[1]), photo)
    return decoded[0]


def _decode(data: bytes, where: str, bits: int | None = None, *, for_people: bool = False) -> Decoded:
    found = _raster(data, where)
    depth = bit_depth.likely(bit_depth.measure(found)) if for_people else bits
    return Decoded(found.rgb(where, depth), found.damage, found.messages)


def raster(data: bytes, where: str) -> Raster:
    """The one full picture of a photograph's file as it is stored; `where` names it in messages.

    Raises InputError when the file is not one photograph of 32 to 8000 px a side, or cannot be decoded.
    """
    _check_structure(data, where)
    return _raster(data, where)


def _raster(data: bytes, where: str) -> Raster:
    found = formats.of(data)
    if found is None:
        raise _no_photograph(where, formats.foreign(data))
    try:
        decoded = _tiff(data, where) if found is formats.TIFF else _plain(data, _CODECS[found], where)
    except UnidentifiedImageError as error:
        raise _no_photograph(where, "") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many(where) from error
    except InputError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise InputError(where, f"damaged photograph ({error})", remedy="copy it again or remove it") from error
    if not decoded.damage and not formats.has_end(data):
        return replace(decoded, damage="its end is missing")
    return decoded


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Width and height in px from the file's header, without decoding; None if it is not a photograph's header.

    Gives `limits.max_side()` + 1 for both if there are more px than Pillow decodes.
    """
    return None if structure.fault(data) is not None else _dimensions(data)  # `read` reports it for the plate


def _dimensions(data: bytes) -> tuple[int, int] | None:
    """`dimensions` of a file whose structure was checked."""
    limits.allow_in_pillow()
    try:
        return _size(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return limits.max_side() + 1, limits.max_side() + 1
    except Exception:  # `read` reports it in the plate's own Inspection
        return None


def _size(data: bytes) -> tuple[int, int] | None:
    found = formats.of(data)
    if found is formats.PNG:
        return png.size(data)
    if found is formats.JPEG:
        header = jpeg.header(data)
        return None if header is None else (header.width, header.height)
    if found is formats.TIFF:
        page = tiff.pages(data, "")[0]
        return page.width, page.height
    with decoder_messages.pillow_warnings([]), Image.open(io.BytesIO(data), formats=pillow.DECODERS) as image:
        return image.width, image.height


def check(photo: Photo, name: str = "array") -> Photo:
    """The same array; raises InputError unless it is (H, W, 3) uint8 of an allowed size."""
    if not isinstance(photo, np.ndarray) or photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
        got = f"{photo.dtype} {photo.shape}" if isinstance(photo, np.ndarray) else type(photo).__name__
        raise InputError(name, f"got {got}", expected="an (H, W, 3) uint8 RGB array")
    limits.check(photo.shape[1], photo.shape[0], name)
    return photo


def sha256(data: bytes | Array) -> str:
    """The SHA-256 of a file's bytes or of an array's bytes, in hexadecimal."""
    return hashlib.sha256(data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()).hexdigest()


def write_png(path: Path, picture: Photo) -> None:
    """Write an (H, W, 3) or (H, W) uint8 picture as PNG; raises OSError as the file system does."""
    Image.fromarray(picture).save(path, format="PNG")


def _check_structure(data: bytes, where: str) -> None:
    limits.allow_in_pillow()
    if (fault := structure.fault(data)) is not None:
        raise InputError(
            where, f"damaged photograph ({fault})", expected="a photograph's file", remedy="copy it again or remove it"
        )


def _no_photograph(where: str, kind: str) -> InputError:
    what = f"not a photograph that can be read ({kind})" if kind else "not a photograph"
    expected = f"PNG, JPEG, BMP, TIFF or WebP of at most {limits.max_side()} px a side"
    return InputError(where, what, expected=expected, remedy="replace or remove the file")


def _too_many(where: str) -> InputError:
    expected = f"PNG, JPEG, BMP, TIFF or WebP of at most {limits.max_side()} px a side"
    return InputError(where, "too many pixels", expected=expected, remedy="replace or remove the file")


@dataclass(frozen=True)
class _Codec:
    decode: Callable[[bytes, str], Raster]
    end: Callable[[bytes, str], int]
    """The offset of the file's end."""
    pictures: Callable[[bytes, str], int] = lambda _data, _where: 1


_CODECS = {
    formats.PNG: _Codec(png.decode, png.end, png.pictures),
    formats.JPEG: _Codec(jpeg.decode, jpeg.end),
    formats.BMP: _Codec(bmp.decode, bmp.end),
    formats.WEBP: _Codec(webp.decode, webp.end, webp.pictures),
}


def _plain(data: bytes, codec: _Codec, where: str) -> Raster:
    """The picture of a file in a format of one picture; raises InputError when more than reduced copies follow it."""
    size = _dimensions(data)
    if size is None:
        raise _no_photograph(where, "")
    limits.check(*size, where)
    if (count := codec.pictures(data, where)) > 1:
        raise pictures.refuse(count, where)
    decoded = codec.decode(data, where)
    others = list(_behind(data[codec.end(data, where) :], where))
    if others and not (codec is _CODECS[formats.JPEG] and jpeg.has_gain_map(data)):
        pictures.check_only_one(decoded.rgb(where), others, where)
    return decoded


def _behind(rest: bytes, where: str) -> Iterator[Other]:
    """The photographs that follow a file's end, with anything between them; raises InputError for too many of them."""
    for _ in range(_MOST_BEHIND):
        rest = formats.next_file(rest)
        found = formats.of(rest)
        if found is None:
            return
        size, codec = _size_or_none(rest), _CODECS.get(found)
        end = 2  # what only looks like a beginning
        if size is not None:
            end = len(rest) if codec is None else max(codec.end(rest, where), 2)
            yield Other(*size, partial(_photo, codec, rest[:end], where))
        rest = rest[end:]
    raise InputError(where, f"{_MOST_BEHIND} files behind its end", expected="none", remedy="save one picture a file")


def _size_or_none(data: bytes) -> tuple[int, int] | None:
    try:
        return dimensions(data)
    except Exception:  # Pillow's errors, InputError of a TIFF
        return None


def _photo(codec: _Codec | None, data: bytes, where: str) -> Photo:
    return (_tiff(data, where) if codec is None else codec.decode(data, where)).rgb(where)


def _tiff(data: bytes, where: str) -> Raster:
    """The largest full picture of a TIFF; raises InputError when other pages hold more than reduced copies of it."""
    page, *more = tiff.pages(data, where)
    limits.check(page.width, page.height, where)
    decoded = tiff.decode(data, page, where)

    def photo(other: Page) -> Photo:
        return tiff.decode(data, other, where).rgb(where)

    others = [Other(each.width, each.height, partial(photo, each), each.says_reduced) for each in more]
    others += _behind(data[tiff.end([page, *more]) :], where)
    if others:
        pictures.check_only_one(decoded.rgb(where), others, where)
    return decoded
