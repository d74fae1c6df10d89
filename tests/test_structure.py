"""The bounds on a file's structure, tried with small files and small limits; ordinary files have none of it."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import limits, raster, reading, structure

COLOUR: Array = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
FEW = 20


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that a harmless file exceeds them."""
    for name, value in {"_PARTS": FEW, "_BYTES_PER_PART": 10**6, "_SCANS": 2, "_ENTRIES": FEW}.items():
        monkeypatch.setattr(structure, name, value)
    for name, value in {"_VALUES": 60, "_SLACK": 100, "_RUNS": 50, "_TEXTS": 3}.items():
        monkeypatch.setattr(structure, name, value)


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(COLOUR).convert(mode).save(out, kind, **options)
    return out.getvalue()


def png_with(*chunks: tuple[bytes, bytes], before: int = 33) -> bytes:
    made = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    ]
    whole = encoded("PNG")
    return whole[:before] + b"".join(made) + whole[before:]


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    made = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments]
    whole = encoded("JPEG")
    return whole[:2] + b"".join(made) + whole[2:]


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    made = b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    whole = encoded("WEBP") + made
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def directory(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A little-endian directory of (tag, type, count, value or place) at place 8, and some bytes after it."""
    packed = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", len(entries))
    return head + packed + struct.pack("<L", following) + bytes(64)


def _jfif(between: bytes) -> bytes:
    whole = encoded("JPEG")
    return whole[:20] + between + whole[20:]  # its first segment ends at byte 20


def _chain(length: int) -> bytes:
    """Directories without entries, each of which names the next one."""
    places = [8 + 6 * number for number in range(length)]
    followers = [*places[1:], 0]
    return b"II*\0" + struct.pack("<L", 8) + b"".join(struct.pack("<HL", 0, each) for each in followers) + bytes(16)


def _below(tag: int) -> bytes:
    """A directory that names another one with too many entries."""
    outer = directory((tag, 4, 1, 200)).ljust(200, b"\0")
    return outer + struct.pack("<H", FEW + 1) + bytes(12 * (FEW + 1))


def _split_exif() -> bytes:
    """Tags in the first segment whose values lie in the second: a decoder joins both."""
    first = directory(*[(700 + tag, 7, 300, 200) for tag in range(8)])
    return jpeg_with((0xE1, b"Exif\0\0" + first), (0xE1, b"Exif\0\0" + bytes(400)))


def _run_length_encoded() -> bytes:
    whole = bytearray(encoded("BMP", "P"))
    whole[30] = 1
    return bytes(whole)


MANY: dict[str, Callable[[], bytes]] = {
    "PNG chunks": lambda: png_with(*[(b"teSt", b"")] * FEW),
    "PNG chunks after the picture": lambda: png_with(*[(b"teSt", b"")] * FEW, before=-12),
    "PNG texts": lambda: png_with(*[(b"zTXt", b"a\0\0" + zlib.compress(b"b"))] * 4),
    "long PNG text": lambda: png_with((b"iTXt", bytes(101))),
    "JPEG segments": lambda: jpeg_with(*[(0xFE, b"")] * FEW),
    "bytes between JPEG segments": lambda: _jfif(bytes(8 * FEW + 8)),
    "fill bytes between JPEG segments": lambda: _jfif(b"\xff" * 2 * FEW),
    "parts of a JPEG segment": lambda: jpeg_with((0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * FEW)),
    "JPEG scans": lambda: encoded("JPEG", progressive=True),
    "WebP chunks": lambda: webp_with(*[(b"test", b"")] * FEW),
    "TIFF tags": lambda: directory(*[(700 + tag, 3, 1, 0) for tag in range(FEW + 1)]),
    "numbers in a TIFF tag": lambda: directory((700, 4, 61, 0)) + bytes(400),
    "values of TIFF tags that lie on each other": lambda: directory(*[(700 + tag, 7, 60, 8) for tag in range(8)]),
    "TIFF directories": lambda: _chain(FEW + 1),
    "EXIF tags": lambda: jpeg_with((0xE1, b"Exif\0\0" + directory(*[(700, 3, 1, 0)] * (FEW + 1)))),
    "EXIF tags of a PNG": lambda: png_with((b"eXIf", directory(*[(700, 3, 1, 0)] * (FEW + 1)))),
    "tags below EXIF": lambda: jpeg_with((0xE1, b"Exif\0\0" + _below(0x8769))),
    "EXIF over two segments": _split_exif,
    "runs of a BMP": _run_length_encoded,
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("kind", MANY)
def test_a_file_with_too_many_parts_is_refused_before_it_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = MANY[kind]()
    assert structure.fault(data) is not None
    monkeypatch.setattr(Image, "open", None)  # nobody opens it
    assert reading.dimensions(data) is None
    with pytest.raises(InputError, match=r"damaged photograph \(.*more"):
        reading.read(data, "plate")


def test_the_same_files_are_harmless_under_the_real_limits() -> None:
    for kind, make in MANY.items():
        assert structure.fault(make()) is None, kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_every_format_passes_with_metadata_as_cameras_write_it(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker" * 100
    exif.get_ifd(0x8769)[0x9286] = "a comment"
    options: dict[str, Any] = {} if kind == "BMP" else {"exif": exif, "icc_profile": bytes(4000)}
    assert structure.fault(encoded(kind, **options)) is None
    turned = (40, 50, 3) if kind == "BMP" else (50, 40, 3)
    assert reading.read(encoded(kind, **options)).shape == turned
    assert structure.fault(encoded(kind)[:40]) is None


def test_exif_that_a_program_wrote_as_text_is_read_only_when_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = directory((0x0112, 3, 1, 6)).hex()
    image = Image.fromarray(COLOUR)
    out = io.BytesIO()
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(turn) // 2}\n{turn}\n", zip=True)
    image.save(out, "PNG", pnginfo=text)
    assert reading.read(out.getvalue()).shape == (50, 40, 3)
    monkeypatch.setattr(structure, "_ENTRIES", 0)
    assert reading.read(out.getvalue()).shape == (40, 50, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "CMYK", "I;16"])
def test_a_large_photograph_is_converted_in_bands_with_the_same_pixels(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    image = Image.fromarray(COLOUR).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    out = io.BytesIO()
    options = {"transparency": 7} if mode in {"L", "P"} else {}
    image.save(out, kind, **options)
    whole = reading.read(out.getvalue())
    monkeypatch.setattr(raster, "_BAND", 150)  # 3 rows
    assert np.array_equal(reading.read(out.getvalue()), whole)


def test_longer_sides_are_read_when_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    Image.new("L", (8192, 40)).save(out, "PNG")
    with pytest.raises(InputError, match=r"8192×40 px.*set PLATEWATCH_MAX_SIDE"):
        reading.read(out.getvalue())
    monkeypatch.setenv(limits.MAX_SIDE_VARIABLE, "10000")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    assert reading.read(out.getvalue()).shape == (40, 8192, 3)
    for wrong in ("many", "-5", "31"):
        monkeypatch.setenv(limits.MAX_SIDE_VARIABLE, wrong)
        with pytest.raises(InputError, match="32 to 1000000"):
            limits.max_side()


@pytest.mark.parametrize(
    ("kind", "mode", "options", "per_px"),
    [
        ("PNG", "RGB", {}, 9),
        ("PNG", "P", {}, 14),
        ("PNG", "I;16", {}, 14),
        ("JPEG", "RGB", {}, 7),
        ("JPEG", "RGB", {"progressive": True}, 11),
        ("JPEG", "CMYK", {"progressive": True}, 20),
        ("BMP", "RGB", {}, 12),
        ("TIFF", "L", {}, 7),
        ("TIFF", "RGBA", {}, 16),
        ("WEBP", "RGB", {}, 25),
    ],
)
def test_memory_is_estimated_from_the_format(kind: str, mode: str, options: dict[str, Any], per_px: int) -> None:
    """As measured for each (docs/log.md)."""
    data = encoded(kind, mode, **options)
    assert structure.decoding_bytes(data, 1000) == per_px * 1000 + len(data)
    assert structure.decoding_bytes(b"unknown", 1000) >= 25 * 1000
