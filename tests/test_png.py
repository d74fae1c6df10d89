"""PNGs by Pillow and OpenCV: the same pixels at 8 bits, all bits of 16, no damage unnoticed, nothing on stderr."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import pillow, png, reading

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


def deep(values: Array, *further: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits with these samples (H, W, C): grey, grey and alpha, RGB, RGB and alpha."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), *further]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return encoded()[:8] + b"".join(chunk(*each) for each in chunks)


def exif() -> Image.Exif:
    turned = Image.Exif()
    turned[0x0112] = 3
    return turned


PLAIN = {
    "noise": encoded(),
    "grey": encoded(mode="L"),
    "transparent": encoded(np.dstack([COLOUR, SMOOTH[:40, :50, 0]]), mode="RGBA"),
    "grey and transparent": encoded(mode="LA"),
    "one colour": encoded(np.full((40, 50, 3), (200, 30, 60), np.uint8)),
    "smooth": encoded(SMOOTH),
    "hardly packed": encoded(SMOOTH, compress_level=1),
    "gamma": with_chunk(b"gAMA", struct.pack(">I", 20_000)),
    "resolution": encoded(dpi=(300, 300)),
    "profile": encoded(icc_profile=b"not read by anyone"),
    "transparent colour": with_chunk(b"tRNS", bytes(6)),
    "turned": encoded(exif=exif()),
    "words": with_chunk(b"tEXt", b"Comment\0by a camera"),
    "bytes after its end": encoded() + b"of another file",
}
OTHER = {"palette": encoded(mode="P"), "1 bit": encoded(mode="1")}


def by_pillow(data: bytes) -> Array:
    with Image.open(io.BytesIO(data)) as image:
        rgba = ImageOps.exif_transpose(image).convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def test_the_header_is_put_together_as_pillow_does() -> None:
    assert with_header() == encoded()


@pytest.mark.parametrize("kind", PLAIN | OTHER)
@pytest.mark.parametrize("small", [0, png._SMALL])
def test_a_png_gives_pillows_pixels(
    kind: str, small: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_SMALL", small)
    data = (PLAIN | OTHER)[kind]
    found = reading.decode(data, "plate")
    assert np.array_equal(found.photo, by_pillow(data))
    assert (found.damage, found.messages) == ("", ())
    assert capfd.readouterr().err == "", "a profile that its maker got wrong would be remarked on with every plate"


@pytest.mark.parametrize("kind", PLAIN)
def test_large_photographs_take_the_way_that_needs_less_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "_SMALL", 0)
    monkeypatch.setattr(pillow, "decode", None)
    assert reading.read(PLAIN[kind]).shape == reading.read(PLAIN[kind]).shape


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_rounded_not_cut_off(channels: int) -> None:
    values: Array = np.random.default_rng(channels).integers(0, 65536, (40, 50, channels), dtype=np.uint16)
    if channels in (2, 4):
        values[..., -1] = 65535
    colour = values[..., :1] if channels < 3 else values[..., :3]
    photo = reading.read(deep(values))
    assert np.array_equal(photo, np.broadcast_to(np.round(colour / 257), (40, 50, 3)))


def test_a_transparent_colour_of_sixteen_bits_shows_white() -> None:
    values = np.full((40, 50, 3), 1000, np.uint16)
    values[:20] = (513, 70, 9)
    photo = reading.read(deep(values, (b"tRNS", struct.pack(">HHH", 513, 70, 9))))
    assert (photo[:20] == 255).all()
    assert (photo[20:] == 4).all()


def test_not_one_bit_may_be_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever byte is spoilt: refused, or called damaged, before a decoder sees it that remarks on the terminal."""
    whole = encoded(SMOOTH)
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        try:
            assert reading.decode(bytes(spoilt), "plate").damage, place
        except InputError:
            continue
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 13, 40])
def test_a_png_that_is_cut_off_is_damaged(cut: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded()[:-cut]
    try:
        assert reading.decode(data, "plate").damage
    except InputError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either way is right
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("mode", ["P", "1"])
def test_a_picture_of_fewer_rows_than_its_header_says_is_damaged(mode: str) -> None:
    """Pillow fills it up with black and says nothing."""
    whole = encoded(mode=mode)
    header = whole[16:20] + struct.pack(">I", 60) + whole[24:29]
    data = whole[:8] + chunk(b"IHDR", header) + whole[HEAD:]
    assert reading.decode(data, "plate").damage == "its picture is incomplete"


@pytest.mark.parametrize("number", [2, 7])
def test_an_animation_is_refused(number: int) -> None:
    frames = [Image.fromarray(np.roll(COLOUR, each, axis=0)) for each in range(number)]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=f"plate: {number} pictures in one file, expected one"):
        reading.read(out.getvalue(), "plate")
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], default_image=True)
    with pytest.raises(InputError, match="pictures in one file"):
        reading.read(out.getvalue(), "plate")


def with_picture(rows: bytes, *, depth: int = 8, after: bytes = b"") -> bytes:
    """A PNG of 50×40 px whose picture decompresses to these bytes; every checksum is right."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50, 40, depth, 2, 0, 0, 0))
    return encoded()[:8] + header + chunk(b"IDAT", zlib.compress(rows) + after) + chunk(b"IEND", b"")


@pytest.mark.parametrize("small", [0, png._SMALL])
@pytest.mark.parametrize(
    "data",
    [
        with_picture((b"\x07" + bytes(150)) * 40),
        with_picture((b"\0" + bytes(150)) * 39),
        with_picture((b"\0" + bytes(150)) * 40 + b"more"),
        with_picture((b"\x09" + bytes(300)) * 40, depth=16),
        with_picture((b"\0" + bytes(300)) * 39, depth=16),
        with_picture((b"\0" + bytes(150)) * 40)[:60] + b"\xff\xff" + encoded()[-12:],
        encoded()[:HEAD] + encoded()[8:],
        encoded()[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 50, 40, 8, 2, 1, 0, 0)) + encoded()[HEAD:],
        encoded()[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 50, 40, 7, 2, 0, 0, 0)) + encoded()[HEAD:],
    ],
    ids=[
        "filter",
        "row missing",
        "too much",
        "filter 16",
        "row missing 16",
        "no stream",
        "two headers",
        "method",
        "depth",
    ],
)
def test_a_wrong_picture_behind_right_checksums_is_no_line_on_stderr(
    data: bytes, small: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_SMALL", small)
    with contextlib.suppress(InputError):
        reading.read(data)
    assert capfd.readouterr().err == ""
