"""A damaged file that decodes all the same is told from a photograph, and a dark photograph from a damaged file."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import reading

_RANDOM = np.random.default_rng(3)
HEIGHT, WIDTH = 120, 150


def photograph(height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Smooth with noise, nothing black."""
    across, down = np.meshgrid(np.linspace(0, 120, width), np.linspace(0, 60, height))
    noise = _RANDOM.integers(0, 25, (height, width, 3))
    return ((across + down)[..., None] + 40 + noise).astype(np.uint8)


def encoded(picture: Array, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, file_format, **options)
    return file.getvalue()


def zeroed(data: bytes, start: float, stop: float = 1.0) -> bytes:
    first, last = int(start * len(data)), int(stop * len(data))
    return data[:first] + bytes(last - first) + data[last:]


def tiff(picture: Array, **options: Any) -> bytes:
    """Tags first, so that a lost tail leaves them."""
    file = io.BytesIO()
    tifffile.imwrite(file, picture, metadata=None, **options)
    return file.getvalue()


PHOTO = photograph()
BMP, TIFF = encoded(PHOTO, "BMP"), tiff(PHOTO, photometric="rgb")
JPEG = encoded(PHOTO, "JPEG", quality=92)
SCANS = encoded(PHOTO, "JPEG", quality=92, progressive=True)
PNG = encoded(PHOTO, "PNG")
INKS = np.dstack([PHOTO, np.zeros((HEIGHT, WIDTH, 1), np.uint8)])
MPO = encoded(PHOTO, "MPO", quality=92, save_all=True, append_images=[Image.fromarray(PHOTO).reduce(3)])
DAMAGED = {
    "BMP, zeros to its end": zeroed(BMP, 0.613),
    "BMP, zeros within": zeroed(BMP, 0.311, 0.527),
    "BMP of grey": zeroed(encoded(PHOTO[..., 0], "BMP"), 0.613),
    "BMP, 255 to its end": BMP[:20001] + b"\xff" * (len(BMP) - 20001),
    "TIFF, zeros to its end": zeroed(TIFF, 0.613),
    "TIFF, zeros within": zeroed(TIFF, 0.311, 0.527),
    "TIFF of 16 bits": zeroed(tiff(PHOTO[..., 0].astype(np.uint16) * 257), 0.613),
    "TIFF of four inks, one unused": zeroed(tiff(INKS, photometric="separated"), 0.613),
    "BMP of two values": zeroed(encoded(PHOTO[..., 0] % 2 > 0, "BMP"), 0.514),
    "TIFF of planes": zeroed(tiff(np.moveaxis(PHOTO, 2, 0), photometric="rgb", planarconfig="separate"), 0.813),
    "TIFF of tiles": zeroed(tiff(PHOTO, photometric="rgb", tile=(32, 32)), 0.613),
    "TIFF of JPEG": zeroed(tiff(PHOTO, photometric="rgb", compression="jpeg"), 0.5, 0.6),
    "WebP": zeroed(encoded(PHOTO, "WEBP", quality=90), 0.613),
    "WebP, zeros within": zeroed(encoded(PHOTO, "WEBP", quality=90), 0.311, 0.527),
    "WebP without loss": zeroed(encoded(PHOTO, "WEBP", lossless=True), 0.613),
    "JPEG, bytes lost": JPEG[: len(JPEG) // 2] + JPEG[len(JPEG) // 2 + 300 :],
    "JPEG, zeros within": zeroed(JPEG, 0.5, 0.6),
    "JPEG, cut, with an end": JPEG[: len(JPEG) // 2] + b"\xff\xd9",
    "JPEG, bytes too many": JPEG[:-2] + bytes(range(1, 90)) + JPEG[-2:],
    "JPEG in scans, the last lost": SCANS[: SCANS.rfind(b"\xff\xda")] + b"\xff\xd9",
    "JPEG in scans, half of them lost": SCANS[: SCANS.rfind(b"\xff\xda", 0, len(SCANS) // 2)] + b"\xff\xd9",
    "JPEG in scans, bytes lost": SCANS[: len(SCANS) // 2] + SCANS[len(SCANS) // 2 + 300 :],
    "MPO, its second picture lost": zeroed(MPO, (MPO.rfind(b"\xff\xd8") + 60) / len(MPO)),
    "PNG, a checksum": PNG[:-16] + b"\0\0\0\0" + PNG[-12:],
    "PNG without its end": PNG[:-12],
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_that_decodes_says_so(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = reading.decode(DAMAGED[kind], "plate")
    assert found.damage
    assert found.photo.shape == PHOTO.shape, "people look at what is left of it"
    assert capfd.readouterr().err == ""


def test_lost_bytes_are_never_read_as_a_photograph() -> None:
    """Wherever they are lost: refused, or called damaged. A few flipped bits may leave a valid file."""
    for name, data in {"BMP": BMP, "TIFF": TIFF, "JPEG": JPEG, "WEBP": encoded(PHOTO, "WEBP", quality=90)}.items():
        for start in np.linspace(0.1, 0.871, 25):
            try:
                found = reading.decode(zeroed(data, float(start), float(start) + 0.0737), "plate")
            except InputError:
                continue
            assert found.damage, (name, start)


def without_blocks(numbers: list[int], picture: Array = PHOTO, **options: Any) -> bytes:
    """A TIFF of which these strips or tiles are zeros."""
    options = {"photometric": "minisblack" if picture.ndim == 2 else "rgb", **options}
    data = bytearray(tiff(picture, **options))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        (page,) = file.pages
        for number in numbers:
            at, length = page.dataoffsets[number], page.databytecounts[number]
            data[at : at + length] = bytes(length)
    return bytes(data)


LOST = {
    "a tile within": without_blocks([7], tile=(32, 32)),
    "a tile in the corner": without_blocks([0], tile=(32, 32)),
    "a tile that reaches out of the picture": without_blocks([19], tile=(32, 32)),
    "three tiles in a row": without_blocks([6, 7, 8], tile=(32, 32)),
    "a tile of 16 bits": without_blocks([7], PHOTO[..., 0].astype(np.uint16) * 257, tile=(32, 32)),
    "a tile of one plane": without_blocks([27], np.moveaxis(PHOTO, 2, 0), planarconfig="separate", tile=(32, 32)),
    "a strip": without_blocks([3], rowsperstrip=16),
}


@pytest.mark.parametrize("what", LOST)
def test_a_lost_strip_or_tile_is_damage(what: str) -> None:
    found = reading.decode(LOST[what], "plate")
    assert found.damage == "a strip or tile of it holds nothing but zeros"
    assert found.photo.shape == PHOTO.shape


def dark_scene() -> Array:
    """A plate on a black background that is clipped to 0: every row shows something, some from edge to edge."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[20:90, 30:120] = photograph()[20:90, 30:120]
    return picture


def blurred_bars() -> Array:
    """Black bars below and above, whose first row still has traces of the picture in its left half."""
    picture = photograph()
    picture[:13] = picture[101:] = 0
    picture[[12, 101], : WIDTH // 2] = 3
    return picture


NOT_DAMAGED = {
    "plate on black": dark_scene(),
    "round plate on black": np.where((np.hypot(*np.mgrid[-60:60, -75:75]) < 50)[..., None], photograph(), 0).astype(
        np.uint8
    ),
    "tilted plate on black": np.where(
        (np.mgrid[0:HEIGHT, 0:WIDTH][0] + 0.2 * np.mgrid[0:HEIGHT, 0:WIDTH][1] < 90)[..., None], photograph(), 0
    ).astype(np.uint8),
    "bars above and below": np.vstack(
        [np.zeros((12, WIDTH, 3), np.uint8), photograph()[12:108], np.zeros((12, WIDTH, 3), np.uint8)]
    ),
    "all black": np.zeros((HEIGHT, WIDTH, 3), np.uint8),
    "all white": np.full((HEIGHT, WIDTH, 3), 255, np.uint8),
    "plate on white": np.where(dark_scene() > 0, dark_scene(), 255).astype(np.uint8),
    "a black row": np.where(np.arange(HEIGHT)[:, None, None] == 60, 0, photograph()).astype(np.uint8),
    "bars blurred by JPEG": blurred_bars(),
    "half black, half not": np.where(np.arange(WIDTH)[None, :, None] < 75, 0, photograph()).astype(np.uint8),
}


def test_zeros_behind_the_last_picture_are_no_damage() -> None:
    for data in (JPEG, MPO):
        assert reading.decode(data + bytes(4096), "plate").damage == ""


@pytest.mark.parametrize("file_format", ["BMP", "TIFF", "WEBP", "PNG", "JPEG"])
@pytest.mark.parametrize("scene", NOT_DAMAGED)
def test_black_and_white_places_of_a_photograph_are_no_damage(scene: str, file_format: str) -> None:
    assert reading.decode(encoded(NOT_DAMAGED[scene], file_format), "plate").damage == ""


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"tile": (32, 16)}, {"rowsperstrip": 12}, {"rowsperstrip": 1}])
@pytest.mark.parametrize("scene", [*NOT_DAMAGED, "black up to a border of tiles"])
def test_black_places_in_strips_and_tiles_are_no_damage(scene: str, options: dict[str, Any]) -> None:
    halves = np.where(np.arange(WIDTH)[None, :, None] < 80, 0, PHOTO).astype(np.uint8)
    picture = NOT_DAMAGED.get(scene, halves)
    assert reading.decode(tiff(picture, photometric="rgb", **options), "plate").damage == ""


def test_what_decoders_say_is_kept_with_the_photograph_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(tiff(PHOTO, photometric="rgb", compression="lzma", rowsperstrip=20))
    data[-30:-20] = bytes(10)
    try:
        said: str = " ".join(reading.decode(bytes(data), "plate").messages)
    except InputError as error:
        said = str(error)
    assert "LZMADecode" in said, "libtiff's own words"
    icon = encoded(PHOTO, "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\xff\xff\0\0\0\0\0\0")
    assert any("EXIF" in message or "tag" in message for message in reading.decode(icon, "plate").messages)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "options", [{"rowsperstrip": 16}, {"tile": (32, 32)}, {"rowsperstrip": 16, "compression": "zlib"}]
)
def test_a_tiff_with_one_strip_in_place_of_another_is_damaged(options: dict[str, Any]) -> None:
    data = bytearray(tiff(PHOTO, photometric="rgb", **options))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        tag = file.pages.first.tags[324 if "tile" in options else 273]
        at = tag.valueoffset
    data[at + 4 : at + 8] = data[at : at + 4]
    with pytest.raises(InputError, match="two strips or tiles lie at the same place"):
        reading.decode(bytes(data), "plate")
