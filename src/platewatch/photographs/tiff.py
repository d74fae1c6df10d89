"""TIFF files: which page is the picture, which layouts are read, and decoding to a Raster.

A layout is decoded correctly or refused by name: bits, planes, strips and tiles, predictor, byte and bit order, meaning
of the samples. libtiff is used for decompression only.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from platewatch.arrays import Bytes, Samples
from platewatch.errors import InputError
from platewatch.photographs import damage, decoder_messages, jpeg, tiff_blocks
from platewatch.photographs.raster import Raster
from platewatch.photographs.tiff_pages import Page, read

_GREY, _RGB, _PALETTE, _CMYK, _YCBCR = (0, 1), 2, 3, 5, 6
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}  # samples of a pixel by PhotometricInterpretation, extra ones left out
_JPEG, _FAX = 7, (2, 3, 4)
_OTHER = {
    4: "a transparency mask",
    8: "CIE Lab colours",
    9: "ICC Lab colours",
    10: "ITU Lab colours",
    32803: "raw sensor data (colour filter array)",
    32844: "LogL values",
    32845: "LogLuv values",
    34892: "raw sensor data (linear)",
    51177: "a depth map",
}
_FORMATS = {2: "signed integers", 3: "floating-point pixels", 5: "complex integers", 6: "complex floating-point pixels"}
_BITS, _JPEG_TABLES, _IMAGEJ = 258, 347, re.compile(r"ImageJ=.*?\bimages=(\d+)", re.DOTALL)


def pages(data: bytes, where: str) -> list[Page]:
    """The pages of a file, the picture first; raises InputError when no page is a full picture."""
    found = [page for page in read(data, where) if not page.is_mask]
    named = [page for page in found if not page.says_reduced]
    if not found or not named:
        what = "only reduced pictures" if found else "no picture"
        raise InputError(where, what, expected="a full picture", remedy="export the photograph from its raw file")
    if any(min(page.width, page.height) < 1 for page in found):
        raise InputError(where, "damaged photograph (a page without a size)", remedy="copy it again or remove it")
    largest = max(named, key=lambda page: page.width * page.height)
    if (count := _IMAGEJ.match(largest.description)) and int(count[1]) > len(named):
        raise InputError(where, f"{count[1]} pictures in one file", expected="one", remedy="save one picture a file")
    return [largest, *(page for page in found if page is not largest)]


def end(found: Sequence[Page]) -> int:
    """The offset after the last strip or tile of these pages; tags may follow."""
    places = ((273, 279), (324, 325))
    ends = [
        at + length
        for page in found
        for offsets, lengths in places
        for at, length in zip(page.numbers(offsets), page.numbers(lengths), strict=False)
    ]
    return max(ends, default=0)


def decode(data: bytes, page: Page, where: str) -> Raster:
    """Decode one page; raises InputError for a layout that is not read, OSError when decompressing fails."""
    colours = _checked(page, where)
    with decoder_messages.kept() as said:
        try:
            if page.number(259, 1) in (_JPEG, *_FAX):
                raster = _by_pillow(data, page, where)
            else:
                raster = _by_samples(data, page, colours, where)
        except OSError as error:  # Pillow gives a number, libtiff a text
            raise OSError(said[0] if said else error) from error
    complaint = next((line for line in said if not line.startswith(("TIFFReadDirectory", "TIFFFetch"))), "")
    turn = page.number(274, 1)
    return replace(
        raster,
        orientation=turn if 1 <= turn <= 8 else 1,
        messages=tuple(said),
        damage=raster.damage or complaint,
    )


def _by_samples(data: bytes, page: Page, colours: int, where: str) -> Raster:
    values, lost = _samples(data, page, where)
    bits = page.number(_BITS, 1)
    opacity, premultiplied = _opacity(values, page, colours, bits, where)
    samples, bits = _meant(values[..., :colours], page, bits)
    return Raster(samples, bits, opacity, premultiplied, damage=lost)


def _checked(page: Page, where: str) -> int:
    """The number of colour samples of a pixel; raises InputError for a layout that is not read."""
    meaning, compression, bits = page.number(262, 1), page.number(259, 1), page.numbers(_BITS) or [1]
    kinds = set(page.numbers(339)) - {1, 4}
    samples = page.number(277, 1)
    if kinds:
        raise _refused(where, f"{_FORMATS.get(min(kinds), 'samples of an unknown kind')} of {bits[0]} bits a channel")
    if meaning in _OTHER or meaning not in _COLOURS:
        raise _refused(where, _OTHER.get(meaning, f"an unknown colour space ({meaning})"), "grey, RGB or palette")
    if len(set(bits)) > 1:
        raise _refused(where, f"channels of {', '.join(map(str, bits))} bits", "as many bits in each channel")
    if bits[0] > 16:
        raise _refused(where, f"{bits[0]} bits a channel")
    if page.number(32997, 1) > 1:
        raise _refused(where, f"a volume of {page.number(32997)} layers", "one picture")
    if compression not in (*tiff_blocks.COMPRESSIONS, _JPEG, *_FAX):
        raise _refused(where, f"compression {compression}", "none, LZW, Deflate, PackBits, LZMA, Zstandard or JPEG")
    colours = _COLOURS[meaning]
    only_eight = meaning in (_CMYK, _YCBCR) or compression == _JPEG
    if (only_eight and bits[0] != 8) or (meaning == _PALETTE and bits[0] > 8) or (compression in _FAX and bits[0] != 1):
        raise _refused(where, f"{bits[0]} bits a channel in this colour space or compression", "8")
    if meaning == _YCBCR and compression != _JPEG:
        raise _refused(where, "YCbCr colours without JPEG compression", "grey, RGB or palette")
    if samples < colours or samples > colours + 1 or (samples > colours and compression in (_JPEG, *_FAX)):
        raise _refused(where, f"{samples} channels", f"{colours}, or one more for transparency")
    if page.number(317, 1) not in (1, 2) or (page.number(317, 1) == 2 and bits[0] not in (8, 16)):
        raise _refused(where, f"predictor {page.number(317)} with {bits[0]} bits a channel", "none, or 2")
    return colours


def _refused(where: str, what: str, expected: str = "8 or 16 bits a channel, unsigned") -> InputError:
    return InputError(where, what, expected=expected, remedy="convert the photograph")


def _samples(data: bytes, page: Page, where: str) -> tuple[Samples, str]:
    """The stored samples (H, W, S) uint8 or uint16 of every pixel, and the sign of damage, or an empty text."""
    bits, count = page.number(_BITS, 1), page.number(277, 1)
    planes = count if page.number(284, 1) == 2 else 1
    together = count // planes
    found, stored = tiff_blocks.unpacked(data, page, planes, bits * together, where)
    pixel_bytes = together * bits // 8 if bits % 8 == 0 else 1
    in_file = stored.reshape(-1, stored.shape[-1])[: _rows_in_file(found, page, planes)]
    lost = damage.zeroed(in_file, pixel_bytes, _beside(stored, page.height, pixel_bytes))
    values = _unpacked_bits(stored, found.width * together, bits, page.byte_order)
    values = values.reshape(*values.shape[:-1], found.width, together)
    if page.number(317, 1) == 2:
        values = np.cumsum(values, axis=-2, dtype=values.dtype)
    pictures = [tiff_blocks.rows_of(plane, page) for plane in values]
    if page.number(259, 1) == 1 and found.across * found.down > 1:  # of other compressions zeros are no data
        lost = lost or next(
            filter(None, (damage.blank_block(each, found.height, found.width) for each in pictures)), ""
        )
    return np.concatenate(pictures, axis=2) if planes > 1 else pictures[0], lost


def _beside(stored: Bytes, height: int, pixel_bytes: int) -> damage.Beside:
    """What `zeroed` asks: whether the tiles left of the first of some rows, or right of the last, show something else.

    `stored` as `tiff_blocks.unpacked` gives it, the picture is `height` px high. True where there is no tile beside.
    """
    _, down, across, rows, _ = stored.shape

    def goes_on(first: int, after: int, fill: damage.Level) -> bool:
        seen = list[bool]()
        for number, step in ((first, -1), (after - 1, 1)):
            block = number // rows
            plane, row, column = block // (down * across), block // across % down, block % across
            begin, end = max(first - block * rows, 0), min(after - block * rows, rows, height - row * rows)
            if 0 <= column + step < across and begin < end:
                neighbour = stored[plane, row, column + step, begin:end]
                pixels = neighbour[:, -pixel_bytes:] if step < 0 else neighbour[:, :pixel_bytes]
                seen.append(float((pixels != fill).any(axis=1).mean()) >= damage.DIFFERS)
        return any(seen) or not seen

    return goes_on


def _rows_in_file(found: tiff_blocks.Grid, page: Page, planes: int) -> int:
    """Rows of blocks up to the end of the last strip, without its padding."""
    return found.down * found.across * found.height * planes - (
        0 if found.is_tiled else found.down * found.height - page.height
    )


def _unpacked_bits(stored: Bytes, count: int, bits: int, byte_order: str) -> Samples:
    """`count` samples of `bits` bits from the bytes of each row (…, B) uint8: (…, count) uint8 or uint16."""
    if bits == 8:
        return stored[..., :count]
    if bits == 16:
        return np.ascontiguousarray(stored).view(f"{byte_order}u2")[..., :count].astype(np.uint16, copy=False)
    rows = stored.reshape(-1, stored.shape[-1])
    values = np.empty((len(rows), count), np.uint8 if bits < 8 else np.uint16)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    for start in range(0, len(rows), 64):  # 64 rows at a time, because each bit becomes a byte
        part = np.unpackbits(rows[start : start + 64], axis=1)[:, : count * bits]
        values[start : start + 64] = part.reshape(len(part), count, bits) @ weights
    return values.reshape(*stored.shape[:-1], count)


def _meant(samples: Samples, page: Page, bits: int) -> tuple[Samples, int]:
    """Grey (H, W, 1) or RGB (H, W, 3) and its bits, from samples by their colour space."""
    meaning = page.number(262, 1)
    if meaning == 0:
        return samples.dtype.type(2**bits - 1) - samples, bits
    if meaning == _PALETTE:
        table = np.asarray(page.tags[320]).astype(np.uint16).reshape(3, -1)[:, : 2**bits]
        levels = table if table.max() < 256 else table // 256
        return np.moveaxis(levels[:, samples[..., 0]], 0, -1).astype(np.uint8), 8
    if meaning == _CMYK:
        ink = 255 - samples.astype(np.uint16)
        return ((ink[..., :3] * ink[..., 3:] + 127) // 255).astype(np.uint8), 8
    return samples, bits


def _opacity(values: Samples, page: Page, colours: int, bits: int, where: str) -> tuple[Samples | None, bool]:
    """The opacity (H, W) and whether the colours are multiplied by it; None without an alpha channel."""
    if values.shape[2] == colours:
        return None, False
    kind, extra = page.numbers(338), values[..., colours]
    if kind and kind[0] in (1, 2):
        return (extra if page.number(262, 1) != _PALETTE or bits == 8 else None), kind[0] == 1
    if not kind and extra.min() < 2**bits - 1:
        raise _refused(where, "a further channel that nothing describes", "an alpha channel named by ExtraSamples")
    return None, False


def _by_pillow(data: bytes, page: Page, where: str) -> Raster:
    """A page compressed as JPEG or fax."""
    planes = page.number(277, 1) if page.number(284, 1) == 2 else 1
    if planes > 1:
        raise _refused(where, "JPEG compression in separate planes", "one plane")
    found = tiff_blocks.grid(page, 1, 0, data, where)
    blocks = [data[at : at + length] for at, length in zip(found.offsets, found.lengths, strict=True)]
    kept = (256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 322, 323)
    tags: tiff_blocks.Tags = {tag: page.number(tag) for tag in kept if tag in page.tags}
    tags[_BITS] = page.numbers(_BITS) or [1]
    lost = ""
    if page.number(259) == _JPEG:
        tables = page.tags[_JPEG_TABLES].tobytes() if _JPEG_TABLES in page.tags else b""
        tags |= {_JPEG_TABLES: tables} if tables else {}
        whole = (tables[:-2] + block[2:] if tables else block for block in blocks)  # without the end and the beginning
        lost = next(filter(None, (jpeg.complaint(each) for each in whole)), "")
    if 530 in page.tags:
        tags[530] = page.numbers(530)
    image = tiff_blocks.opened(tags, blocks, is_tiled=found.is_tiled, byte_order=page.byte_order)
    grey = image.mode in ("1", "L")
    return Raster(np.atleast_3d(np.array(image.convert("L" if grey else "RGB"))), damage=lost)
