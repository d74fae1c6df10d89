"""Masks of defects: whatever is above 0 is defective, whoever wrote the file; and whose masks they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import masks

MARKED = np.zeros((40, 56), bool)
MARKED[8:19, 30:37] = True
VISIBLE = np.dstack([np.where(MARKED, 255, 0)] * 4).astype(np.uint8)


def scaled(value: int, dtype: type = np.uint8) -> Array:
    return np.where(MARKED, value, 0).astype(dtype)


def coloured(*colour: int, ground: tuple[int, ...] = (0, 0, 0), dtype: type = np.uint8) -> Array:
    return np.where(MARKED[..., None], np.array(colour), np.array(ground)).astype(dtype)


def palette(*colours: int, transparent: int | None = None) -> Callable[[Path], None]:
    """A palette picture whose index is 1 on the defect."""

    def save(path: Path) -> None:
        picture = Image.fromarray(scaled(1)).convert("L")
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(colours)
        options: dict[str, Any] = {} if transparent is None else {"transparency": transparent}
        picture.save(path, **options)

    return save


def pillow(values: Array, **options: Any) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path, **options)


def opencv(values: Array) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(cv2.imencode(path.suffix, values)[1].tobytes())


@pytest.mark.parametrize(
    ("name", "save"),
    [
        *(
            (f"grey{value}.{suffix}", pillow(scaled(value)))
            for value in (1, 7, 255)
            for suffix in ("png", "bmp", "tif")
        ),
        ("bool.png", pillow(MARKED)),
        ("bool.tif", pillow(MARKED)),
        ("bool.bmp", pillow(MARKED)),
        ("lossless.webp", pillow(scaled(1), lossless=True)),
        ("lossy.webp", pillow(coloured(255, 255, 255), quality=100)),
        ("red.png", pillow(coloured(255, 0, 0))),
        ("green.png", pillow(coloured(0, 255, 0))),
        ("blue.bmp", pillow(coloured(0, 0, 1))),
        ("red-on-clear.png", pillow(coloured(255, 0, 0, 255, ground=(0, 0, 0, 0)))),
        ("red-on-clear-white.png", pillow(coloured(255, 0, 0, 255, ground=(255, 255, 255, 0)))),
        ("black-on-clear.png", pillow(coloured(0, 0, 0, 255, ground=(0, 0, 0, 0)))),
        ("white-on-opaque.png", pillow(coloured(255, 255, 255, 255, ground=(0, 0, 0, 255)))),
        ("grey-on-clear.png", pillow(coloured(9, 255, ground=(200, 0)))),
        ("keyed.png", lambda path: Image.fromarray(np.where(MARKED, 5, 9).astype(np.uint8)).save(path, transparency=9)),
        ("voc.png", palette(0, 0, 0, 128, 0, 0)),
        ("all-black.png", palette(0, 0, 0, 0, 0, 0)),
        ("class-colours.png", palette(68, 1, 84, 253, 231, 37)),
        ("clear-ground.png", palette(255, 255, 255, 0, 0, 0, transparent=0)),
        ("optimised.png", lambda path: Image.fromarray(scaled(255)).quantize(2).save(path)),
        ("16-bit-1.png", pillow(scaled(1, np.uint16))),
        ("16-bit-1.tif", pillow(scaled(1, np.uint16))),
        ("16-bit-colour-1.png", opencv(coloured(0, 1, 0, dtype=np.uint16))),
        ("16-bit-colour-1.tif", opencv(coloured(0, 1, 0, dtype=np.uint16))),
        ("16-bit-alpha.png", opencv(coloured(0, 1, 0, 9, ground=(7, 7, 7, 0), dtype=np.uint16))),
        ("32-bit.tif", pillow(scaled(1, np.int32))),
        ("float.tif", pillow(scaled(1, np.float32))),
    ],
)
def test_whatever_is_above_zero_is_defective_and_transparent_is_background(
    tmp_path: Path, name: str, save: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    save(path)
    assert np.array_equal(masks.read(path), MARKED)


def test_a_jpeg_s_grey_around_an_edge_is_not_defective(tmp_path: Path) -> None:
    path = tmp_path / "mask.jpg"
    Image.fromarray(scaled(255)).save(path, quality=60)
    assert (np.asarray(Image.open(path)) > 0).sum() > MARKED.sum() + 20
    assert (masks.read(path) ^ MARKED).sum() < 20


def test_a_folder_of_masks_is_read_as_one(tmp_path: Path) -> None:
    Image.fromarray(scaled(1) * (np.arange(56) < 33).astype(np.uint8)).save(tmp_path / "000.png")
    Image.fromarray(scaled(2) * (np.arange(56) >= 33).astype(np.uint8)).save(tmp_path / "001.png")
    assert np.array_equal(masks.read(tmp_path), MARKED)
    Image.new("L", (40, 40)).save(tmp_path / "002.png")
    with pytest.raises(InputError, match="masks of different sizes"):
        masks.read(tmp_path)


def test_what_is_no_mask_is_refused_in_one_line(tmp_path: Path) -> None:
    text, cut, several = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.tif"
    text.write_text("no mask")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:900])
    Image.fromarray(scaled(1)).save(several, save_all=True, append_images=[Image.fromarray(scaled(2))])
    for path, words in ((text, "not a photograph"), (cut, "damaged"), (several, "2 ")):
        with pytest.raises(InputError, match=words) as caught:
            masks.read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["007_mask", "007_Mask", "007_label", "007-gt", "007_GT", "mask_007", "007_ground_truth"]
)
def test_a_mask_s_name_says_whose_it_is(name: str) -> None:
    assert masks.photograph_of(name) == "007"
    assert masks.photograph_of("007") == "007"


def test_masks_beside_their_photographs_are_found_and_nothing_else(tmp_path: Path) -> None:
    names = ("Part0.jpg", "Part0_label.bmp", "Part1.jpg", "mask.png", "paint_mask.png", "label_2.png")
    assert masks.beside([tmp_path / name for name in names]) == {tmp_path / "Part0.jpg": tmp_path / "Part0_label.bmp"}
