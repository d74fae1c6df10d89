"""A file of several full pictures is refused with that reason; reduced copies of its one full picture are skipped."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import reading

_RANDOM = np.random.default_rng(8)


def plate(seed: int, height: int = 96, width: int = 128) -> Array:
    """A part of its own brightness and place, on grey."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 90, np.uint8)
    top, left = random.integers(5, height // 3), random.integers(5, width // 3)
    picture[top : top + height // 2, left : left + width // 2] = random.integers(20, 240, 3)
    return picture


GOOD, BAD = plate(1), plate(2)
SMALL = np.array(Image.fromarray(GOOD).resize((32, 24), Image.Resampling.BOX))


def encoded(picture: Array, file_format: str, *more: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    rest = {"save_all": True, "append_images": [Image.fromarray(each) for each in more]} if more else {}
    Image.fromarray(picture).save(file, file_format, **rest, **options)
    return file.getvalue()


def tiff(*pages: tuple[Array, dict[str, Any]], **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for picture, of_page in pages:
            writer.write(picture, photometric="rgb", **({"metadata": None} | of_page))
    return file.getvalue()


def masked(data: bytes) -> bytes:
    """The TIFF with its second page called a transparency mask."""
    file = io.BytesIO(data)
    with tifffile.TiffFile(file, mode="r+") as opened:
        page = opened.pages[1]
        assert isinstance(page, tifffile.TiffPage)
        page.tags["NewSubfileType"].overwrite(4)
        return file.getvalue()


SEVERAL = {
    "TIFF": tiff((GOOD, {}), (BAD, {})),
    "TIFF of three": tiff((GOOD, {}), (BAD, {}), (GOOD, {})),
    "BigTIFF": tiff((GOOD, {}), (BAD, {}), bigtiff=True),
    "TIFF of equal pages": tiff((GOOD, {}), (GOOD, {})),
    "TIFF, each page of another size": tiff((plate(1, 90), {}), (BAD, {})),
    "TIFF whose second page says that it is reduced": tiff((GOOD, {}), (BAD, {"subfiletype": 1})),
    "TIFF with another plate in small": tiff((GOOD, {}), (plate(2, 24, 32), {})),
    "TIFF with a picture beneath a page": tiff((GOOD, {"subifds": 1}), (BAD, {})),
    "APNG": encoded(GOOD, "PNG", BAD),
    "animated WebP": encoded(GOOD, "WEBP", BAD, duration=100),
    "MPO": encoded(GOOD, "MPO", BAD),
    "JPEGs one behind the other": encoded(GOOD, "JPEG") + encoded(BAD, "JPEG"),
    "JPEGs with padding": encoded(GOOD, "JPEG") + bytes(512) + encoded(BAD, "JPEG"),
    "PNGs one behind the other": encoded(GOOD, "PNG") + encoded(BAD, "PNG"),
    "BMPs one behind the other": encoded(GOOD, "BMP") + encoded(BAD, "BMP"),
    "WebPs one behind the other": encoded(GOOD, "WEBP") + encoded(BAD, "WEBP"),
    "JPEGs with bytes between them": encoded(GOOD, "JPEG") + b"\r\n--frame\r\n\r\n" + encoded(BAD, "JPEG"),
    "PNGs with bytes between them": encoded(GOOD, "PNG") + b"frame 2" + encoded(BAD, "PNG"),
    "BMPs with bytes between them": encoded(GOOD, "BMP") + b"frame 2" + encoded(BAD, "BMP"),
    "TIFFs one behind the other": tiff((GOOD, {})) + tiff((BAD, {})),
    "a JPEG behind a TIFF": tiff((GOOD, {})) + encoded(BAD, "JPEG"),
    "a PNG behind a JPEG": encoded(GOOD, "JPEG") + encoded(BAD, "PNG"),
    "a TIFF behind a JPEG": encoded(GOOD, "JPEG") + tiff((BAD, {})),
    "another plate in small behind a JPEG": encoded(GOOD, "JPEG") + encoded(plate(2, 24, 32), "JPEG"),
}
ONE = {
    "thumbnail first": tiff((SMALL, {"subfiletype": 1}), (GOOD, {})),
    "thumbnail first, without a word of it": tiff((SMALL, {}), (GOOD, {})),
    "thumbnail last": tiff((GOOD, {}), (SMALL, {"subfiletype": 1})),
    "pyramid": tiff((GOOD, {"subifds": 2}), (GOOD[::2, ::2], {"subfiletype": 1}), (SMALL, {"subfiletype": 1})),
    "with a transparency mask": masked(tiff((GOOD, {}), (BAD, {"subfiletype": 1}))),
    "MPO with a preview": encoded(GOOD, "MPO", SMALL, quality=95),
    "MPO of one": encoded(GOOD, "MPO", quality=95),
    "animation of one": encoded(GOOD, "WEBP", lossless=True, save_all=True),
    "padded": encoded(GOOD, "JPEG", quality=95) + bytes(1000),
    "padded PNG": encoded(GOOD, "PNG") + bytes(1000),
    "with a video behind it": encoded(GOOD, "JPEG", quality=95) + b"\0\0\0\x18ftypmp42" + bytes(range(200)),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_full_pictures_are_refused_with_that_reason(kind: str) -> None:
    count = 3 if "three" in kind else 2
    with pytest.raises(InputError) as caught:
        reading.read(SEVERAL[kind], "plate")
    assert str(caught.value) == f"plate: {count} pictures in one file, expected one; save one picture a file"


def test_only_so_many_files_are_searched_behind_a_photograph() -> None:
    """Each is decoded and compared; reduced copies of the photograph are none of its faults."""
    photograph, copy = encoded(GOOD, "JPEG", quality=95), encoded(SMALL, "JPEG")
    assert reading.read(photograph + 7 * copy).shape == GOOD.shape
    with pytest.raises(InputError, match="8 files behind its end, expected none; save one picture a file"):
        reading.read(photograph + 8 * copy)


@pytest.mark.parametrize("kind", ONE)
def test_the_full_picture_is_the_one_that_is_read(kind: str) -> None:
    photo = reading.read(ONE[kind])
    assert photo.shape == GOOD.shape
    assert np.abs(photo.astype(int) - GOOD).mean() < 4


def test_a_tiff_of_reduced_pictures_alone_is_refused() -> None:
    with pytest.raises(InputError, match="only reduced pictures, expected a full picture"):
        reading.read(tiff((GOOD, {"subfiletype": 1})))


def test_a_stack_that_its_writer_names_but_does_not_list_is_refused() -> None:
    words = "ImageJ=1.54f\nimages=30\nslices=30\n"
    with pytest.raises(InputError, match="30 pictures in one file"):
        reading.read(tiff((GOOD, {"description": words})))
    volume = np.stack([GOOD] * 16)
    file = io.BytesIO()
    tifffile.imwrite(file, volume, photometric="rgb", volumetric=True, tile=(16, 16, 16), metadata=None)
    with pytest.raises(InputError, match="a volume of 16 layers, expected one picture"):
        reading.read(file.getvalue())


def test_thousands_of_pages_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="more than 64 pages, expected one picture"):
        reading.read(tiff(*[(GOOD[:32, :32], {"subfiletype": 1})] * 70))


@pytest.mark.parametrize("magic", [b"GIF89a", b"%PDF-1.7", b"\0\0\0\x20ftypheic", b"8BPS\0\1"])
def test_another_format_is_called_by_its_name(magic: bytes) -> None:
    with pytest.raises(InputError, match=r"plate: not a photograph that can be read \((GIF|PDF|HEIC.*|Photoshop)\)"):
        reading.read(magic + bytes(100), "plate")


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_a_picture_that_is_transparent_everywhere_says_so(file_format: str) -> None:
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(np.dstack([GOOD, np.zeros(GOOD.shape[:2], np.uint8)]), file_format, **options)
    with pytest.raises(InputError, match=r"every pixel is transparent \(alpha 0\)"):
        reading.read(data)
