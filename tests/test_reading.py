"""Any usual photograph comes in as (H, W, 3) uint8 RGB, upright and unscaled; anything else is refused in one line."""

import contextlib
import errno
import io
import os
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import colour, preparation, reading

COLOUR: Array = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
GREY: Array = COLOUR[..., 0]
DEEP: Array = np.random.default_rng(1).integers(0, 65536, (40, 50), dtype=np.uint16)
DEEP[:2, :2] = ((0, 65535), (256, 1000))
LOSSLESS = ("PNG", "TIFF", "BMP", "WEBP")


def encoded(picture: Array | Image.Image, file_format: str, mode: str | None = None, **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    out = io.BytesIO()
    (image.convert(mode) if mode else image).save(out, file_format, **options)
    return out.getvalue()


def refused(source: Path | bytes, *words: str) -> str:
    """The one line with which a photograph is refused: it holds all of `words`."""
    with pytest.raises(InputError) as caught:
        reading.read(source)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []
    return message


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_lossless_colour_is_read_to_the_pixel(file_format: str) -> None:
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    assert np.array_equal(reading.read(encoded(COLOUR, file_format, **options)), COLOUR)


@pytest.mark.parametrize("file_format", ["JPEG", "MPO"])
def test_jpeg_is_read_in_the_right_order_of_channels(file_format: str) -> None:
    red = np.full((40, 50, 3), (200, 30, 60), np.uint8)
    assert np.abs(reading.read(encoded(red, file_format)).astype(int) - red).max() <= 4


@pytest.mark.parametrize(
    ("data", "grey"),
    [
        (encoded(GREY, "PNG"), GREY),
        (encoded(GREY, "TIFF"), GREY),
        (encoded(GREY, "BMP"), GREY),
        (encoded(GREY, "PNG", "LA"), GREY),
        (encoded(GREY, "PNG", "P"), GREY),
        (encoded(GREY > 99, "PNG"), np.where(GREY > 99, 255, 0)),
        (encoded(GREY > 99, "TIFF"), np.where(GREY > 99, 255, 0)),
        (encoded(GREY, "JPEG", quality=100), None),
        (encoded(GREY, "WEBP"), None),
        (encoded(GREY, "JPEG", "CMYK", quality=100), None),
    ],
    ids=["PNG", "TIFF", "BMP", "alpha", "palette", "1-bit PNG", "1-bit TIFF", "JPEG", "WebP", "CMYK"],
)
def test_grey_stays_grey(data: bytes, grey: Array | None) -> None:
    photo = reading.read(data)
    assert photo.shape == (40, 50, 3)
    if grey is not None:
        assert np.array_equal(photo, np.repeat(grey[..., None], 3, axis=2))
    else:
        assert np.ptp(photo.astype(int), axis=2).max() <= 2  # WebP itself rounds so


def test_is_grey_only_without_any_colour() -> None:
    grey = np.repeat(GREY[..., None], 3, axis=2)
    assert colour.is_grey(grey)
    grey[3, 4, 2] ^= 1
    assert not colour.is_grey(grey)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_a_photograph_without_colour_is_told_from_one_with_little(file_format: str) -> None:
    assert colour.has_none(reading.read(encoded(GREY, file_format)))
    tinted = np.repeat(GREY[..., None], 3, axis=2)
    tinted[:8, :8, 2] = 255 - tinted[:8, :8, 2]
    assert not colour.has_none(reading.read(encoded(tinted, file_format)))
    assert colour.has_much(reading.read(encoded(tinted, "PNG")))
    one = np.repeat(GREY[..., None], 3, axis=2)
    one[3, 5, 2] = 255 - one[3, 5, 2]
    assert not colour.has_none(one), "a single pixel, and none of the few that are looked at first"
    assert not colour.has_much(reading.read(encoded(GREY, file_format)))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_depth(file_format: str) -> None:
    photo = reading.read(encoded(DEEP, file_format))
    assert colour.is_grey(photo)
    assert np.array_equal(photo[..., 0], np.round(DEEP / 257))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_what_a_photograph_shows_never_changes_how_it_is_scaled(file_format: str) -> None:
    """Invariant 2: a dark 16-bit photograph stays dark, a bright place beside it or not."""
    dark = np.full((40, 50), 514, np.uint16)
    beside = dark.copy()
    beside[0, 0] = 65535
    assert (reading.read(encoded(dark, file_format)) == 2).all()
    assert np.array_equal(reading.read(encoded(beside, file_format))[1:], reading.read(encoded(dark, file_format))[1:])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_colour_keeps_its_order_and_depth(suffix: str) -> None:
    colours = np.full((40, 50, 3), (257 * 9, 257 * 90, 257 * 200), np.uint16)  # BGR for OpenCV
    photo = reading.read(cv2.imencode(suffix, colours)[1].tobytes())
    assert np.array_equal(photo[0, 0], (200, 90, 9))


def test_big_endian_tiff_is_read_as_little_endian() -> None:
    assert np.array_equal(reading.read(big_endian_tiff(DEEP)), reading.read(encoded(DEEP, "TIFF")))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_transparency_shows_white(file_format: str) -> None:
    alpha = np.zeros((40, 50, 1), np.uint8)
    alpha[:20] = 255
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    photo = reading.read(encoded(np.concatenate([COLOUR, alpha], axis=2), file_format, **options))
    assert np.array_equal(photo[:20], COLOUR[:20])
    assert (photo[20:] == 255).all()


@pytest.mark.parametrize("picture", [GREY, DEEP], ids=["8 bit", "16 bit"])
def test_a_transparent_grey_shows_white(picture: Array) -> None:
    level = int(picture[1, 1])
    photo = reading.read(encoded(picture, "PNG", transparency=level))
    assert (photo[picture == level] == 255).all()
    assert np.array_equal(photo[picture != level], reading.read(encoded(picture, "PNG"))[picture != level])


def test_a_transparent_palette_colour_shows_white() -> None:
    image = Image.fromarray(np.repeat([[0] * 25 + [1] * 25], 40, axis=0).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    photo = reading.read(encoded(image, "PNG", transparency=0))
    assert (photo[:, :25] == 255).all()
    assert (photo[:, 25:] == (200, 100, 50)).all()


TURNS = {
    1: COLOUR,
    2: COLOUR[:, ::-1],
    3: COLOUR[::-1, ::-1],
    4: COLOUR[::-1],
    5: COLOUR.transpose(1, 0, 2),
    6: COLOUR[::-1].transpose(1, 0, 2),
    7: COLOUR[::-1, ::-1].transpose(1, 0, 2),
    8: COLOUR[:, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_turned_photograph_comes_upright(turn: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    assert np.array_equal(reading.read(encoded(COLOUR, file_format, exif=exif)), TURNS[turn])
    assert reading.read(encoded(DEEP, file_format, exif=exif)).shape == TURNS[turn].shape


@pytest.mark.parametrize("shape", [(32, 32), (40, 8000), (8000, 32)])
def test_sizes_from_32_to_8000_px_are_read(shape: tuple[int, int]) -> None:
    assert reading.read(encoded(np.zeros(shape, np.uint8), "PNG")).shape == (*shape, 3)


@pytest.mark.parametrize("shape", [(1, 1), (31, 64), (64, 31), (32, 8001)])
def test_other_sizes_are_refused(shape: tuple[int, int]) -> None:
    refused(encoded(np.zeros(shape, np.uint8), "PNG"), f"{shape[1]}×{shape[0]} px", "expected 32 to 8000 px a side")


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    refused(png_header(60_000, 60_000), "60000×60000 px", "expected 32 to 8000 px a side")
    refused(encoded(np.zeros((32, 8001), np.uint8), "WEBP"), "8001×32 px")
    refused(png_header(9_000, 9_000), "9000×9000 px", "expected 32 to 8000 px a side")


@pytest.mark.parametrize("data", [b"", b"no photograph\n", bytes(5000), encoded(COLOUR, "GIF"), b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_photograph_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "plate.png"
    path.write_bytes(data)
    refused(path, str(path), "not a photograph", "expected PNG, JPEG, BMP, TIFF or WebP", "replace or remove")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_truncated_photograph_is_refused(file_format: str, fraction: float) -> None:
    whole = encoded(COLOUR, file_format)
    refused(whole[: int(fraction * len(whole))], "photograph")


def test_a_truncated_jpeg_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "plate.jpg"
    path.write_bytes(encoded(COLOUR, "JPEG")[:-200])
    refused(path, str(path), "damaged photograph", "truncated", "copy it again or remove it")


def test_floating_point_and_32_bits_are_refused_by_name() -> None:
    refused(encoded(np.full((40, 50), 0.5, np.float32), "TIFF"), "floating-point", "expected 8 or 16 bits")
    refused(encoded(np.full((40, 50), 7, np.int32), "TIFF"), "signed integers of 32 bits", "expected 8 or 16")


@pytest.mark.filterwarnings("error")
@settings(max_examples=150)
@given(st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP"]), st.data())
def test_damaged_bytes_give_a_photograph_or_one_line(file_format: str, data: st.DataObject) -> None:
    spoilt = bytearray(encoded(COLOUR, file_format))
    for _ in range(data.draw(st.integers(1, 6))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        photo = reading.read(bytes(spoilt))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either way is right
    else:
        assert reading.check(photo) is photo


@pytest.mark.parametrize(
    "name", ["Blech № 7 grün.png", "  blank filled  .PNG", "板材.Jpeg", "-dash'\"quote.tif", "a.b.c.webp"]
)
def test_any_name_is_found_and_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encoded(COLOUR, "PNG"))
    assert reading.find(tmp_path) == [tmp_path / name]
    assert reading.read(tmp_path / name).shape == (40, 50, 3)


def test_photographs_are_found_sorted_without_hidden_ones_and_other_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", ".hidden.png", "notes.txt", "c.tiff", "Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.png").touch()
    assert [path.name for path in reading.find(tmp_path)] == ["a.JPG", "b.png", "c.tiff"]


def test_folders_that_cannot_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "layout" / "good").mkdir(parents=True)
    for folder, words in {
        "missing": "no such folder; check the path",
        "file": "is a file, expected a folder",
        "empty": r"no photographs, expected files ending in \.png",
        "layout": r"it has the folders good: name one of them",
    }.items():
        with pytest.raises(InputError, match=f"{folder}: .*{words}"):
            reading.find(tmp_path / folder)
    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(InputError, match=r"cannot be opened \(Permission denied\); check its permissions"):
        reading.find(tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(tmp_path / "missing.png", "missing.png: no such file")
    refused(tmp_path, "is a folder, expected a photograph")
    refused(Path("nul\0.png"), "no path that can be opened")
    refused(tmp_path / f"{'long' * 100}.png", "cannot be read (File name too long)")
    (tmp_path / "plate.png").write_bytes(encoded(COLOUR, "PNG"))
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    refused(tmp_path / "plate.png", "larger than", "leave it out")
    monkeypatch.undo()
    monkeypatch.setattr(os, "open", closed)
    refused(tmp_path / "plate.png", "cannot be read (Permission denied)")


def test_pipes_devices_and_sockets_are_refused_at_once(tmp_path: Path) -> None:
    """Another program that opens such a pipe waits for ever, and reads a device until its memory is full."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zeros.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(tmp_path):
        bound.bind("socket.png")
    for name, words in {
        "pipe.png": "is a pipe, expected a file; leave it out",
        "zeros.png": "is a device, expected a file; leave it out",
        "socket.png": "is a socket, expected a file; leave it out",
        "loop.png": "cannot be read (Too many levels of symbolic links)",
    }.items():
        refused(tmp_path / name, words)
    refused(Path("/dev/zero"), "is a device")


def test_a_file_that_becomes_a_pipe_or_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "file.png").write_bytes(encoded(COLOUR, "PNG"))
    before = (tmp_path / "file.png").stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: before)
    refused(tmp_path / "pipe.png", "not a photograph")
    monkeypatch.setattr(reading, "MAX_BYTES", 100)  # however long it said that it is
    refused(tmp_path / "file.png", "larger than", "leave it out")


def closed(path: Path, *_: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


SIDES = st.integers(32, 8000)


@given(SIDES, SIDES, st.integers(2, 32).map(lambda blocks: 32 * blocks))
def test_a_frame_lies_within_the_square_with_its_aspect(width: int, height: int, size: int) -> None:
    frame = preparation.frame(width, height, size)
    assert max(frame.width, frame.height) == size
    assert 0 <= frame.left <= size - frame.width
    assert 0 <= frame.top <= size - frame.height
    assert abs(frame.left - (size - frame.width - frame.left)) <= 1
    assert abs(frame.top - (size - frame.height - frame.top)) <= 1
    assert abs(frame.width - width * frame.scale) <= 1
    assert abs(frame.height - height * frame.scale) <= 1
    assert frame.inside(size).sum() == frame.width * frame.height


@settings(max_examples=40)
@given(st.integers(32, 400), st.integers(32, 400), st.sampled_from([64, 96, 256]))
def test_prepare_crops_nothing_and_repeats_the_border(width: int, height: int, size: int) -> None:
    """Each corner of the photograph has a colour of its own and is found again in the same corner of the frame."""
    photo = np.zeros((height, width, 3), np.uint8)
    middle = height // 2, width // 2
    photo[: middle[0], : middle[1], 0] = photo[: middle[0], middle[1] :, 1] = photo[middle[0] :, : middle[1], 2] = 200
    photo[middle[0] :, middle[1] :] = 90
    prepared, frame = preparation.prepare(photo, size), preparation.frame(width, height, size)
    inner = frame.cut(prepared)
    assert prepared.shape == (size, size, 3)
    assert prepared.dtype == np.uint8
    for corner, expected in {(0, 0): photo[0, 0], (0, -1): photo[0, -1], (-1, 0): photo[-1, 0]}.items():
        if min(inner.shape[:2]) >= 2:
            assert np.abs(inner[corner].astype(int) - expected).max() <= 2
            assert np.array_equal(prepared[corner], inner[corner])
    if min(inner.shape[:2]) >= 2:
        assert np.abs(inner[-1, -1].astype(int) - 90).max() <= 2


def test_prepare_keeps_the_mean_grey_and_flat_areas() -> None:
    big = np.repeat(np.random.default_rng(0).integers(0, 256, (700, 700, 1), dtype=np.uint8), 3, axis=2)
    small = preparation.prepare(big, 64)
    assert colour.is_grey(small)
    assert small.mean() == pytest.approx(big.mean(), abs=0.5)
    assert (preparation.prepare(np.full((33, 700, 3), 77, np.uint8), 96) == 77).all()


def test_prepare_leaves_a_fitting_photograph_as_it_is_and_takes_views() -> None:
    square = COLOUR[:40, :40]
    assert np.array_equal(preparation.prepare(square, 40), square)
    assert np.array_equal(preparation.prepare(square[..., ::-1], 40), square[..., ::-1])
    assert np.array_equal(
        preparation.prepare(COLOUR[::-1, :, ::-1], 64), preparation.prepare(COLOUR[::-1, :, ::-1].copy(), 64)
    )


@pytest.mark.parametrize(
    "array",
    [np.zeros((40, 50)), np.zeros((40, 50, 3)), np.zeros((40, 50, 4), np.uint8), GREY, [[1]], None, "plate"],
    ids=["2D", "float", "RGBA", "grey", "list", "None", "str"],
)
def test_other_arrays_are_refused(array: Any) -> None:
    with pytest.raises(InputError, match=r"^array: got .*, expected an \(H, W, 3\) uint8 RGB array$"):
        reading.check(array)


def test_an_array_of_a_wrong_size_is_refused() -> None:
    with pytest.raises(InputError, match="31×40 px"):
        reading.check(np.zeros((40, 31, 3), np.uint8))


def test_hashes_are_those_of_the_bytes() -> None:
    assert reading.sha256(COLOUR) == reading.sha256(COLOUR.tobytes())
    assert reading.sha256(COLOUR[::-1]) == reading.sha256(COLOUR[::-1].tobytes()) != reading.sha256(COLOUR)


def test_a_written_png_is_read_back(tmp_path: Path) -> None:
    reading.write_png(tmp_path / "p.png", COLOUR)
    assert np.array_equal(reading.read(tmp_path / "p.png"), COLOUR)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(100)))]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def big_endian_tiff(picture: Array) -> bytes:
    """An uncompressed 16-bit grey TIFF with the larger byte first."""
    data = picture.astype(">u2").tobytes()
    short = {256: picture.shape[1], 257: picture.shape[0], 258: 16, 259: 1, 262: 1, 277: 1}
    tags = {tag: (3, value << 16) for tag, value in short.items()}
    tags |= {273: (4, 8 + 2 + 12 * 8 + 4), 279: (4, len(data))}
    entries = b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items()))
    return b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4) + data
