"""The strips and tiles of a TIFF page, decompressed to the bytes that it stores."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, TiffImagePlugin

from platewatch.arrays import Bytes, Dtype, Same
from platewatch.errors import InputError
from platewatch.photographs import formats
from platewatch.photographs.tiff_pages import Page

COMPRESSIONS = (1, 5, 8, 32946, 32773, 34925, 50000)
"""None, LZW, Deflate (twice), PackBits, LZMA, Zstandard: compressions of bytes, whatever the bytes mean."""
Tags = dict[int, int | bytes | list[int]]
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


@dataclass(frozen=True)
class Grid:
    """How a page is cut: `across` × `down` blocks of `width` × `height` px; a strip is a block as wide as the page."""

    width: int
    height: int
    across: int
    down: int
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    is_tiled: bool


def grid(page: Page, planes: int, row_bytes: int, data: bytes, where: str) -> Grid:
    """The blocks of all planes in order; raises InputError for missing ones, equal ones and a truncated file."""
    is_tiled = 322 in page.tags
    width = page.number(322) if is_tiled else page.width
    height = page.number(323) if is_tiled else min(page.number(278, page.height) or page.height, page.height)
    if width < 1 or height < 1 or (is_tiled and max(width, height) > 2**16):
        raise _damaged(where, f"blocks of {width}×{height} px")
    across, down = -(-page.width // width), -(-page.height // height)
    offsets, lengths = page.numbers(324 if is_tiled else 273), page.numbers(325 if is_tiled else 279)
    if not lengths and page.number(259, 1) == 1 and not is_tiled:  # some cameras leave them out
        rows = [min(height, page.height - height * number) for number in range(down)] * planes
        lengths = [row_bytes * each for each in rows]
    needed = across * down * planes
    if len(offsets) < needed or len(lengths) < needed:
        raise _damaged(where, f"{min(len(offsets), len(lengths))} of {needed} strips or tiles")
    if len(set(offsets[:needed])) < needed:
        raise _damaged(where, "two strips or tiles lie at the same place")
    if any(at + length > len(data) or not length for at, length in zip(offsets, lengths, strict=False)):
        raise _damaged(where, "truncated: strips or tiles are missing")
    return Grid(width, height, across, down, tuple(offsets[:needed]), tuple(lengths[:needed]), is_tiled)


def unpacked(data: bytes, page: Page, planes: int, pixel_bits: int, where: str) -> tuple[Grid, Bytes]:
    """The stored bytes of all blocks in the file's order: (planes, down, across, block height, bytes of a block's row).

    `pixel_bits` counts the bits of a pixel in one plane. The last strip is filled up with zeros. Raises InputError when
    blocks are missing, and OSError when they cannot be decompressed.
    """
    width = page.number(322) if 322 in page.tags else page.width
    row_bytes = -(-width * pixel_bits // 8)
    found = grid(page, planes, row_bytes, data, where)
    blocks = [data[at : at + length] for at, length in zip(found.offsets, found.lengths, strict=True)]
    shape = planes, found.down, found.across, found.height, row_bytes
    if page.number(259, 1) == 1:
        return found, _stored(blocks, page, found, shape, where)
    whole = np.zeros(shape, np.uint8)
    each = found.down * found.across
    for plane in range(planes):
        part = _by_libtiff(blocks[plane * each : (plane + 1) * each], page, found, row_bytes)
        rows = np.zeros((found.down * found.height, found.across * row_bytes), np.uint8)
        rows[: len(part)] = part
        whole[plane] = rows.reshape(found.down, found.height, found.across, row_bytes).swapaxes(1, 2)
    return found, whole


def rows_of(blocks: Same[Dtype], page: Page) -> Same[Dtype]:
    """Blocks (down, across, block height, block width, …) put together: (H, W, …)."""
    down, across, height, width, *rest = blocks.shape
    return blocks.swapaxes(1, 2).reshape(down * height, across * width, *rest)[: page.height, : page.width]


def _stored(blocks: list[bytes], page: Page, found: Grid, shape: tuple[int, ...], where: str) -> Bytes:
    """Blocks that are not compressed."""
    size = found.height * shape[-1]
    last = size if found.is_tiled else (page.height - (found.down - 1) * found.height) * shape[-1]
    joined = bytearray()
    for number, block in enumerate(blocks):
        needed = last if number % found.down == found.down - 1 and not found.is_tiled else size
        if len(block) < needed:
            raise _damaged(where, "truncated: a strip or tile is too short")
        joined += block[:needed] + bytes(size - needed)
    values = np.frombuffer(joined, np.uint8).reshape(shape)
    return _REVERSED[values] if page.number(266, 1) == 2 else values


def _by_libtiff(blocks: list[bytes], page: Page, found: Grid, row_bytes: int) -> Bytes:
    """One plane's blocks, decompressed as if it were a grey picture whose pixels are the stored bytes: (rows, bytes).

    libtiff only decompresses, so the result does not depend on how Pillow reads a layout.
    """
    width, height = row_bytes * found.across, found.height * found.down if found.is_tiled else page.height
    tags: Tags = {
        256: width,
        257: height,
        258: 8,
        259: page.number(259),
        262: 1,
        266: page.number(266, 1),
        277: 1,
        284: 1,
    }
    tags |= {322: row_bytes, 323: found.height} if found.is_tiled else {278: found.height}
    picture = np.array(opened(tags, blocks, is_tiled=found.is_tiled))
    return picture if picture.dtype == np.uint8 else picture.astype(np.uint8)


def opened(tags: Tags, blocks: list[bytes], *, is_tiled: bool, byte_order: str = "<") -> Image.Image:
    """A TIFF of one page with these tags and blocks, opened and decoded by Pillow; raises what Pillow raises."""
    at = 8
    offsets = list[int]()
    for block in blocks:
        offsets.append(at)
        at += len(block) + len(block) % 2
    tags = {**tags, (324 if is_tiled else 273): offsets, (325 if is_tiled else 279): [len(each) for each in blocks]}
    body = b"".join(block + bytes(len(block) % 2) for block in blocks)
    head = formats.TIFF.magic[byte_order == ">"] + struct.pack(f"{byte_order}I", at)
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(head + body + _ifd(tags, at, byte_order)))
    image.load()
    return image


def _ifd(tags: Tags, at: int, order: str) -> bytes:
    """An IFD at the file's byte `at`, with the values that do not fit into its entries behind it."""
    entries, values = bytearray(), bytearray()
    after = at + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, content = 7, len(value), value
        else:
            numbers = value if isinstance(value, list) else [value]
            kind, count, content = 4, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(content) <= 4:
            field = content.ljust(4, b"\0")
        else:
            field = struct.pack(f"{order}I", after + len(values))
            values += content + bytes(len(content) % 2)
        entries += struct.pack(f"{order}HHI", tag, kind, count) + field
    return struct.pack(f"{order}H", len(tags)) + bytes(entries) + bytes(4) + bytes(values)


def _damaged(where: str, what: str) -> InputError:
    return InputError(where, f"damaged photograph ({what})", remedy="copy it again or remove it")
