"""Finds and decodes photographs (PNG, JPEG, BMP, TIFF, WebP): bit depth, EXIF orientation, transparency, size."""

import hashlib
import io
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from platewatch.arrays import Array, Photo
from platewatch.errors import InputError
from platewatch.photographs import formats, limits, memory, structure
from platewatch.photographs.formats import SUFFIXES

MAX_BYTES = 512 * 1024 * 1024
_DECODERS = tuple(each.name for each in formats.FORMATS)

(_PNG,) = formats.PNG.magic
_NEEDED = (b"IHDR", b"IDAT", b"IEND")
_HARMLESS = (b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT")  # Pillow ignores them when decoding pixels
_BAND = 2**20  # px converted at a time, to bound memory
_EIGHT_BIT_RGB = bytes((8, 2, 0, 0, 0))  # bit depth, colour type, not interlaced: bytes 16 to 20 of the IHDR chunk


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
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                path, f"larger than {MAX_BYTES // 2**20} MiB", expected="a photograph", remedy="leave it out"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(path, "no such file", remedy="check the path") from error
    except IsADirectoryError as error:
        raise InputError(path, "is a folder", expected="a photograph") from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!r}", f"no path that can be opened ({error})", remedy="check it") from error
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({error.strerror})", remedy="check the file and its permissions"
        ) from error


def read(source: Path | bytes, name: str | None = None) -> Photo:
    """Decode one photograph to (H, W, 3) uint8 RGB, upright by its EXIF orientation.

    Grey stays grey (R = G = B). 16 bits become 8 by division, whatever the picture contains. Transparent pixels become
    white. `name` names the photograph in messages when the source is bytes. Raises InputError when the source is not a
    complete photograph of 32 to 8000 px a side (`limits.max_side`), or when its structure is no photograph's.
    """
    where = name or (str(source) if isinstance(source, Path) else "photograph")
    data = load(source) if isinstance(source, Path) else source
    _check_structure(data, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about unusual metadata; real problems are raised
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_DECODERS) as image:
                limits.check(image.width, image.height, where)
                needed = structure.decoding_bytes(data, image.width * image.height)
                return memory.counted(needed, lambda: _decode(image, data, where))
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        what = "not a photograph" if isinstance(error, UnidentifiedImageError) else "too many pixels"
        expected = f"PNG, JPEG, BMP, TIFF or WebP of at most {limits.max_side()} px a side"
        raise InputError(where, what, expected=expected, remedy="replace or remove the file") from error
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise InputError(where, f"damaged photograph ({error})", remedy="copy it again or remove it") from error


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Width and height in px from the file's header, without decoding; None if it is not a photograph's header.

    Gives `limits.max_side()` + 1 for both if there are more px than Pillow decodes.
    """
    if structure.fault(data) is not None:
        return None  # `read` reports it in the plate's own Inspection
    limits.allow_in_pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `read` raises what is wrong
            with Image.open(io.BytesIO(data), formats=_DECODERS) as image:
                return image.width, image.height
    except Image.DecompressionBombError:
        return limits.max_side() + 1, limits.max_side() + 1
    except Exception:  # `read` reports it in the plate's own Inspection
        return None


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


def _decode(image: Image.Image, data: bytes, where: str) -> Photo:
    if (plain := _plain_png(data)) is not None:
        return plain
    file_format = image.format
    structure.drop_large_profile(image.info)
    ImageOps.exif_transpose(image, in_place=True)
    return _in_bands(image, file_format, where)


def _in_bands(image: Image.Image, file_format: str | None, where: str) -> Photo:
    """`_to_rgb` for some rows at a time: conversions of a whole large picture take up to 22 bytes a pixel."""
    width, height = image.size
    if width * height <= 2 * _BAND:
        return _to_rgb(image, file_format, where)
    image.load()
    photo, rows = np.empty((height, width, 3), np.uint8), max(1, _BAND // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        photo[top : top + rows] = _to_rgb(band, file_format, where)
    return photo


def _to_rgb(image: Image.Image, file_format: str | None, where: str) -> Photo:
    if image.mode.startswith("I"):  # one 16-bit channel: divided by 257, never stretched to the picture's own range
        values = np.asarray(image)
        if image.mode == "I" and file_format != "PNG":
            raise InputError(where, "32 bits a channel", expected="8 or 16", remedy="convert the photograph")
        values = np.where(values == image.info.get("transparency", -1), 65535, values)
        grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode == "F":
        raise InputError(
            where, "floating-point pixels", expected="8 or 16 bits a channel", remedy="convert the photograph"
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _plain_png(data: bytes) -> Photo | None:
    """Decode a plain PNG with OpenCV to (H, W, 3) uint8 RGB: Pillow's pixels in 3/4 of its time; None for other files.

    Plain means 8-bit RGB, every chunk intact, and no chunk that changes how the picture is shown. Damaged and
    unneeded chunks are kept from OpenCV, because it prints warnings about them to the terminal.
    """
    if not data.startswith(_PNG):
        return None
    needed: list[bytes | memoryview] = [_PNG]
    for name, chunk in _png_chunks(data):
        if name in _NEEDED and (name != b"IHDR" or chunk[16:21] == _EIGHT_BIT_RGB):
            needed.append(chunk)
        elif name not in _HARMLESS:
            return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    photo: Array | None = cv2.imdecode(np.frombuffer(b"".join(needed), np.uint8), flags)
    return photo


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and bytes of each chunk; the name is empty for one that is cut off or fails its CRC."""
    view, start, name = memoryview(data), len(_PNG), b"begin"
    while name not in (b"IEND", b""):
        end = start + 12 + int.from_bytes(view[start : start + 4], "big")
        chunk = view[start:end]
        name = bytes(chunk[4:8])
        if end > len(data) or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            name = b""
        yield name, chunk
        start = end
