"""Pictures for people: small, whole, never enlarged, in a page as they are."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from platewatch.photographs import thumbnails


@pytest.mark.parametrize(
    ("height", "width", "side", "expected"),
    [(200, 400, 100, (100, 50)), (400, 200, 100, (50, 100)), (200, 400, 900, (400, 200)), (5, 8000, 100, (100, 1))],
)
def test_thumbnails_are_small_and_never_enlarged(height: int, width: int, side: int, expected: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(thumbnails.jpeg(np.zeros((height, width, 3), np.uint8), side))) as image:
        assert (image.format, image.size) == ("JPEG", expected)


def test_it_shows_what_the_picture_shows_a_mask_too() -> None:
    photo = np.zeros((200, 400, 3), np.uint8)
    photo[:, 200:] = (230, 30, 30)
    small = np.asarray(Image.open(io.BytesIO(thumbnails.jpeg(photo, 100))), int)
    assert np.abs(small[25, 75] - (230, 30, 30)).max() < 10
    assert small[25, 25].max() < 10
    mask = np.asarray(Image.open(io.BytesIO(thumbnails.jpeg(photo[..., 0] > 0))))
    assert (mask[80, 10], mask[80, 310]) == (0, 255)


@pytest.mark.parametrize(("data", "kind"), [(b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff\xe0", "jpeg")])
def test_a_file_becomes_a_uri_that_a_page_shows(data: bytes, kind: str) -> None:
    head, _, content = thumbnails.data_uri(data).partition(",")
    assert head == f"data:image/{kind};base64"
    assert base64.b64decode(content) == data


def test_a_picture_goes_into_a_page_in_one_call() -> None:
    picture = np.full((40, 60, 3), 90, np.uint8)
    assert thumbnails.jpeg_uri(picture, 30) == thumbnails.data_uri(thumbnails.jpeg(picture, 30))
