"""The faster way to a PNG's pixels: taken for what cameras write, left for all else, and always the same pixels."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from platewatch.arrays import Array
from platewatch.photographs import reading

COLOUR: Array = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
SMOOTH: Array = np.add.outer(np.arange(200), np.arange(120))[..., None].repeat(3, axis=2).astype(np.uint8)
HEAD = 33  # bytes before the second chunk


def encoded(picture: Array = COLOUR, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(out, "PNG", **options)
    return out.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(name: bytes, content: bytes) -> bytes:
    whole = encoded()
    return whole[:HEAD] + chunk(name, content) + whole[HEAD:]


def with_header(depth: int = 8, interlaced: int = 0) -> bytes:
    """A PNG whose header has these values, true or not."""
    header = struct.pack(">IIBBBBB", 50, 40, depth, 2, 0, 0, interlaced)
    return encoded()[:8] + chunk(b"IHDR", header) + encoded()[HEAD:]


def exif() -> Image.Exif:
    turned = Image.Exif()
    turned[0x0112] = 3
    return turned


PLAIN = {
    "noise": encoded(),
    "one colour": encoded(np.full((40, 50, 3), (200, 30, 60), np.uint8)),
    "smooth": encoded(SMOOTH),
    "hardly packed": encoded(SMOOTH, compress_level=1),
    "gamma": with_chunk(b"gAMA", struct.pack(">I", 20_000)),
    "resolution": encoded(dpi=(300, 300)),
    "profile": encoded(icc_profile=b"not read by anyone"),
    "bytes after its end": encoded() + b"of another file",
}
OTHER = {
    "grey": encoded(mode="L"),
    "palette": encoded(mode="P"),
    "transparent": encoded(mode="RGBA"),
    "transparent colour": with_chunk(b"tRNS", bytes(6)),
    "turned": encoded(exif=exif()),
    "words": with_chunk(b"tEXt", b"Raw profile type exif\0"),
    "16 bit": with_header(depth=16),
    "interlaced": with_header(interlaced=1),
    "JPEG": b"\xff\xd8\xff\xe0",
    "nothing": b"",
    "no more than a signature": encoded()[:8],
    "no end": encoded()[:-12],
}


def test_the_header_is_put_together_as_pillow_does() -> None:
    assert with_header() == encoded()


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_png_gives_pillows_pixels(
    kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    photo = reading._plain_png(PLAIN[kind])
    assert photo is not None
    assert capfd.readouterr().err == "", "a profile that its maker got wrong would be remarked on with every plate"
    assert np.array_equal(reading.read(PLAIN[kind]), photo)
    monkeypatch.setattr(reading, "_plain_png", lambda _: None)
    assert np.array_equal(reading.read(PLAIN[kind]), photo)


@pytest.mark.parametrize("kind", OTHER)
def test_any_other_file_is_left_to_pillow(kind: str) -> None:
    assert reading._plain_png(OTHER[kind]) is None


def test_photographs_take_the_faster_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_plain_png", {PLAIN["smooth"]: COLOUR}.get)
    assert reading.read(PLAIN["smooth"]) is COLOUR


def test_not_one_bit_may_be_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever byte is spoilt is found before the decoder sees it, which would remark on it on the terminal."""
    whole = encoded(SMOOTH)
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        assert reading._plain_png(bytes(spoilt)) is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 13, 40])
def test_a_png_that_is_cut_off_is_refused(cut: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert reading._plain_png(encoded()[:-cut]) is None
    assert capfd.readouterr().err == ""
