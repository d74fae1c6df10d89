"""One table of formats: what a file's first bytes say of its name, its media type and its end."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import platewatch
from platewatch.errors import InputError
from platewatch.photographs import formats, reading

NAMES = [each.name for each in formats.FORMATS]


def photograph(file_format: str, grey: int = 90) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(grey).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, file_format)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "suffix", "media_type"),
    [
        ("PNG", ".png", "image/png"),
        ("JPEG", ".jpg", "image/jpeg"),
        ("MPO", ".jpg", "image/jpeg"),
        ("BMP", ".bmp", "image/bmp"),
        ("TIFF", ".tif", "image/tiff"),
        ("WEBP", ".webp", "image/webp"),
    ],
)
def test_every_format_is_known_by_its_first_bytes(name: str, suffix: str, media_type: str) -> None:
    data = photograph(name)
    assert (formats.suffix(data), formats.media_type(data)) == (suffix, media_type)
    assert suffix in formats.SUFFIXES
    assert reading.read(data).shape == (48, 64, 3)


def test_a_big_tiff_is_a_tiff() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "TIFF", big_tiff=True)
    assert formats.suffix(file.getvalue()) == ".tif"
    assert reading.read(file.getvalue()).shape == (48, 64, 3)


@pytest.mark.parametrize("data", [b"", b"<script>alert(1)</script>", b"GIF89a", b"%PDF-1.7"])
def test_what_is_no_photograph_is_nothing_that_a_browser_runs(data: bytes) -> None:
    assert formats.of(data) is None
    assert (formats.suffix(data), formats.media_type(data)) == (".bin", "application/octet-stream")


@pytest.mark.parametrize("name", NAMES)
def test_no_beginning_of_a_photograph_is_taken_for_the_whole(name: str) -> None:
    data = photograph(name)
    assert formats.has_end(data)
    for length in range(len(data)):
        if formats.has_end(data[:length]):
            with pytest.raises(InputError):
                reading.read(data[:length])


@pytest.mark.parametrize("each", formats.FORMATS, ids=NAMES)
def test_a_part_of_the_first_bytes_is_surely_not_the_whole(each: formats.Format) -> None:
    for magic in each.magic:
        assert not any(formats.has_end(magic[:length]) for length in range(len(magic)))
    assert formats.has_end(b"GIF89a"), "only decoding says that it is no photograph"


def test_a_jpeg_with_a_thumbnail_ends_only_after_its_own_picture() -> None:
    data, thumbnail = photograph("JPEG", 1), photograph("JPEG", 2)
    length = (len(thumbnail) + 2).to_bytes(2, "big")
    both = data[:2] + b"\xff\xe1" + length + thumbnail + data[2:]
    assert formats.has_end(both)
    assert not formats.has_end(both[:-2])


def test_no_other_module_knows_first_bytes() -> None:
    found = set[str]()
    for file in Path(platewatch.__file__).parent.rglob("*.py"):
        texts = (each.value for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, ast.Constant))
        if any(formats.of(text) or text == b"\x89PNG" for text in texts if isinstance(text, bytes)):
            found.add(file.name)
    assert found == {"formats.py"}
