"""Every layout of a TIFF is read right or refused by name; a second decoder says what is right."""

import io
from itertools import product
from typing import Any

import numpy as np
import pytest
import tifffile

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.photographs import reading

_RANDOM = np.random.default_rng(5)
HEIGHT, WIDTH = 41, 53
BITS = (1, 2, 3, 4, 8, 10, 12, 14, 16)
COMPRESSIONS = (None, "lzw", "zlib", "packbits", "lzma", "zstd")
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
}


def samples(channels: int, bits: int) -> Array:
    """Smooth with noise, so that a shifted row or a wrong byte order shows."""
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    planes = [(across * (1 + number) + down * (3 - number)) / 4 for number in range(channels)]
    values = np.stack(planes, axis=2) * 0.9 + _RANDOM.random((HEIGHT, WIDTH, channels)) * 0.1
    whole: Array = np.round(values * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    return whole


def written(values: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    options.setdefault("metadata", None)
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def by_the_second_decoder(data: bytes) -> Array:
    """What tifffile and imagecodecs read: (H, W, C)."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        values = file.pages[0].asarray()
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        return np.moveaxis(values, 0, -1) if page.planarconfig == 2 and values.ndim == 3 else np.atleast_3d(values)


def expected(values: Array, bits: int) -> Array:
    levels = np.round(values.astype(np.float64) * 255 / (2**bits - 1)).astype(np.uint8)
    return np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", COMPRESSIONS, ids=str)
def test_every_depth_layout_and_byte_order_is_read_as_the_second_decoder_reads_it(
    compression: str | None, layout: str
) -> None:
    for bits, channels, planes, order in product(BITS, (1, 3), ("contig", "separate"), "<>"):
        if (channels == 1 and planes == "separate") or (bits not in (8, 16) and (layout == "tiles" or order == ">")):
            continue  # tifffile packs bits in strips of little-endian files alone
        values = samples(channels, bits)
        whole = np.ascontiguousarray(np.moveaxis(values, 2, 0)) if planes == "separate" else values
        options: dict[str, Any] = {"planarconfig": planes, "photometric": "rgb"} if channels == 3 else {}
        whole = whole[..., 0] if channels == 1 else whole
        if bits not in (8, 16):
            options["bitspersample"] = bits
        try:
            data = written(whole, compression=compression, byteorder=order, **options, **LAYOUTS[layout])
        except (ValueError, NotImplementedError):
            assert bits not in (8, 16), "the second decoder writes these"
            continue
        right = by_the_second_decoder(data)
        assert np.array_equal(right, values), (bits, channels, planes, order)
        assert np.array_equal(reading.read(data), expected(right, bits)), (bits, channels, planes, order)


def packed(
    bits: int, order: str, compression: str | None, planes: int = 1, *, tiled: bool = False
) -> tuple[bytes, Array]:
    """A grey TIFF whose samples are packed bit after bit, and its samples; tifffile itself packs in fewer layouts."""
    values = samples(1, bits)[..., 0]
    width = 128 if tiled else WIDTH
    columns = [np.pad(values, ((0, 48 - HEIGHT), (0, 128 - WIDTH)))] if tiled else [values]
    whole = columns[0]
    bytes_of_rows = [np.packbits((row[:, None] >> np.arange(bits - 1, -1, -1)) & 1) for row in whole.reshape(-1, width)]
    stored = np.stack(bytes_of_rows).reshape(len(whole), -1)
    options: dict[str, Any] = {"tile": (16, width * bits // 8)} if tiled else {"rowsperstrip": 9}
    file = io.BytesIO(written(stored.astype(np.uint8), compression=compression, byteorder=order, **options))
    with tifffile.TiffFile(file, mode="r+") as opened:
        page = opened.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        size = {"ImageWidth": WIDTH, "ImageLength": HEIGHT, "BitsPerSample": bits}
        for tag, value in (size | ({"TileWidth": width} if tiled else {})).items():
            page.tags[tag].overwrite(value)
        return file.getvalue(), values[..., None]


@pytest.mark.parametrize("bits", [1, 4, 10, 12, 14])
def test_packed_bits_are_read_in_every_order_and_compression(bits: int) -> None:
    for order, compression, tiled in product("<>", (None, "lzw", "zlib", "packbits"), (False, True)):
        data, values = packed(bits, order, compression, tiled=tiled)
        assert np.array_equal(reading.read(data), expected(values, bits)), (order, compression, tiled)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
def test_differences_of_neighbours_are_undone(compression: str) -> None:
    for bits, channels, order, layout in product((8, 16), (1, 3), "<>", LAYOUTS.values()):
        values = samples(channels, bits)
        options: dict[str, Any] = {"photometric": "rgb"} if channels == 3 else {}
        data = written(
            values if channels == 3 else values[..., 0],
            predictor=True,
            compression=compression,
            byteorder=order,
            **options,
            **layout,
        )
        assert np.array_equal(by_the_second_decoder(data), values)
        assert np.array_equal(reading.read(data), expected(values, bits)), (bits, channels, order, layout)


@pytest.mark.parametrize("bits", BITS)
def test_white_is_zero_is_no_negative(bits: int) -> None:
    values = samples(1, bits)
    options: dict[str, Any] = {} if bits in (8, 16) else {"bitspersample": bits}
    data = written(values[..., 0], photometric="miniswhite", **options)
    assert np.array_equal(reading.read(data), expected(2**bits - 1 - values.astype(int), bits))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_alpha_shows_white_and_channels_without_a_meaning_do_not(bits: int, planes: str) -> None:
    values, most = samples(4, bits), 2**bits - 1
    values[:9, :, 3] = 0
    values[9:, :, 3] = most
    whole = np.moveaxis(values, 2, 0) if planes == "separate" else values
    for kind in ("unassalpha", "assocalpha"):
        stored = np.where(values[..., 3:] > 0, values, 0).astype(values.dtype) if kind == "assocalpha" else values
        stored = np.moveaxis(stored, 2, 0) if planes == "separate" else stored
        photo = reading.read(written(stored, photometric="rgb", planarconfig=planes, extrasamples=[kind]))
        assert (photo[:9] == 255).all()
        assert np.array_equal(photo[9:], expected(values[9:, :, :3], bits))
    plain = reading.read(written(whole, photometric="rgb", planarconfig=planes, extrasamples=["unspecified"]))
    assert np.array_equal(plain, expected(values[..., :3], bits))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_gives_its_colours(bits: int) -> None:
    values = samples(1, bits)[..., 0]
    table = _RANDOM.integers(0, 65536, (3, 2**bits)).astype(np.uint16)
    extra = [(320, 3, table.size, tuple(map(int, table.ravel())), True)]
    options: dict[str, Any] = {} if bits == 8 else {"bitspersample": bits}
    file = io.BytesIO(written(values, photometric="minisblack", extratags=extra, **options))
    with tifffile.TiffFile(file, mode="r+") as opened:
        page = opened.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        page.tags["PhotometricInterpretation"].overwrite(3)
        data = file.getvalue()
    assert np.array_equal(reading.read(data), np.moveaxis(table[:, values] // 256, 0, 2))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 16}, {"tile": (32, 32)}], ids=["whole", "strips", "tiles"])
def test_jpeg_within_a_tiff_is_read_as_the_second_decoder_reads_it(channels: int, layout: dict[str, Any]) -> None:
    values = samples(channels, 8)
    options: dict[str, Any] = {"photometric": "rgb"} if channels == 3 else {}
    data = written(values if channels == 3 else values[..., 0], compression="jpeg", **options, **layout)
    difference = np.abs(reading.read(data).astype(int) - expected(by_the_second_decoder(data), 8))
    assert difference.max() <= 3, "their libjpegs round differently"


def test_cmyk_and_bigtiff_and_reversed_bits_are_read() -> None:
    values = samples(4, 8)
    ink = 255 - values.astype(int)
    right = np.round(ink[..., :3] * ink[..., 3:] / 255)
    assert np.abs(reading.read(written(values, photometric="separated")) - right).max() <= 1
    rgb = samples(3, 16)
    assert np.array_equal(reading.read(written(rgb, photometric="rgb", bigtiff=True)), expected(rgb, 16))
    rgb = samples(3, 8)
    swapped = np.packbits(np.unpackbits(rgb, axis=-1, bitorder="little").reshape(HEIGHT, WIDTH, 3, 8), axis=-1)[..., 0]
    data = retagged(written(swapped, photometric="rgb", extratags=[(263, 3, 1, 2, True)]), 263, 266)
    assert np.array_equal(by_the_second_decoder(data), rgb)
    assert np.array_equal(reading.read(data), rgb)


REFUSED = {
    "floating-point": (written(samples(1, 8)[..., 0].astype(np.float32)), "floating-point pixels of 32 bits"),
    "half floats": (written(samples(1, 8)[..., 0].astype(np.float16)), "floating-point pixels of 16 bits"),
    "signed": (written(samples(1, 8)[..., 0].astype(np.int16)), "signed integers of 16 bits"),
    "signed colour": (written(samples(3, 8).astype(np.int8), photometric="rgb"), "signed integers of 8 bits"),
    "complex": (written(samples(1, 8)[..., 0].astype(np.complex64)), "complex floating-point pixels"),
    "32 bits": (written(samples(1, 8)[..., 0].astype(np.uint32)), "32 bits a channel"),
    "sensor": (
        written(samples(1, 16)[..., 0], photometric="cfa", extratags=[(33421, 3, 2, (2, 2), True)]),
        "raw sensor data (colour filter array)",
    ),
    "Lab": (written(samples(3, 8), photometric="cielab"), "CIE Lab colours"),
    "subsampled": (written(samples(3, 8), photometric="ycbcr"), "YCbCr colours without JPEG"),
    "5 channels": (
        written(samples(5, 8), photometric="rgb", extrasamples=["unspecified", "unspecified"]),
        "5 channels",
    ),
    "JPEG 2000": (written(samples(3, 8), photometric="rgb", compression="jpeg2000"), "compression 34712"),
    "predictor": (
        written(samples(1, 8)[..., 0].astype(np.float32), predictor=True, compression="zlib"),
        "floating-point pixels",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_any_other_layout_is_refused_by_its_name(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, words = REFUSED[kind]
    with pytest.raises(InputError) as caught:
        reading.read(data, "plate.tif")
    assert words in str(caught.value)
    assert "convert the photograph" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_channel_that_nothing_describes_is_refused_unless_it_is_constant() -> None:
    values = samples(4, 8)
    with pytest.raises(InputError, match="a further channel that nothing describes"):
        reading.read(retagged(written(values, photometric="rgb", extrasamples=["unspecified"]), 338, 65000))
    values[..., 3] = 255
    data = retagged(written(values, photometric="rgb", extrasamples=["unspecified"]), 338, 65000)
    assert np.array_equal(reading.read(data), values[..., :3])


def retagged(data: bytes, old: int, new: int) -> bytes:
    """The little-endian TIFF with one tag under another number."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        at = page.tags[old].offset
    return data[:at] + new.to_bytes(2, "little") + data[at + 2 :]
