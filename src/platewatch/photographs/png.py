"""PNG files: chunks with their checksums, pictures in the file, and decoding to a Raster of 8 or 16 bits."""

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from platewatch.arrays import Array, Samples
from platewatch.photographs import decoder_messages, formats, pillow
from platewatch.photographs.raster import Raster

Chunk = tuple[bytes, memoryview]

(_MAGIC,) = formats.PNG.magic
_DECODED = (b"IHDR", b"IDAT", b"IEND")
_SMALL = 4 * 10**6  # px up to which Pillow decodes 8 bits: in OpenCV's time
_PART = 2**20  # bytes decompressed at a time
_HIGHEST_FILTER = 4
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: grey, RGB, palette, grey and alpha, RGB and alpha


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height in px by the header; None when there is none."""
    if len(data) < 26 or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def pictures(data: bytes, _where: str) -> int:
    """Number of pictures of an animated PNG; 1 for any other."""
    names = [name for name, _ in _chunks(data)]
    frames = names.count(b"fcTL")
    is_frame = b"fcTL" in names and b"IDAT" in names and names.index(b"fcTL") < names.index(b"IDAT")
    return max(1, frames + (0 if is_frame else 1)) if b"acTL" in names else 1


def end(data: bytes, _where: str) -> int:
    """The offset of the file's end."""
    return len(_MAGIC) + sum(len(chunk) for _, chunk in _chunks(data))


def decode(data: bytes, _where: str) -> Raster:
    """Decode a PNG; raises OSError and others when there is no picture.

    With a damaged chunk it is decoded as far as possible, and `damage` says so. Pillow decodes most files. OpenCV keeps
    16 bits of colour and needs half of Pillow's memory for large pictures; as it prints to the terminal when something
    is wrong, it gets only what was found to be right.
    """
    chunks = list(_chunks(data))
    depth, kind = data[24], data[25]
    damage = ""
    if not _is_header_valid(chunks, data):
        damage = "its header is damaged"
    elif not all(name for name, _ in chunks) or chunks[-1][0] != b"IEND":
        damage = "its end is missing" if chunks[-1][0] else "a checksum differs"
    elif kind == 3 or depth < 8:
        damage = "" if _is_complete(chunks, data) else "its picture is incomplete"
    elif depth == 16 or math.prod(size(data) or ()) > _SMALL:
        raster = _by_opencv(data, chunks) if _is_complete(chunks, data, exactly=True) else None
        if raster is not None:
            return raster
    raster = pillow.decode(data, damage=damage)
    return raster if kind == 3 else replace(raster, significant_bits=_significant_bits(chunks))


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Name and bytes of each chunk; the name is empty for one that is cut off or fails its CRC."""
    view, start, name = memoryview(data), len(_MAGIC), b"begin"
    while name not in (b"IEND", b""):
        stop = start + 12 + int.from_bytes(view[start : start + 4], "big")
        chunk = view[start:stop]
        name = bytes(chunk[4:8])
        if stop > len(data) or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            name = b""
        yield name, chunk
        start = stop


def _by_opencv(data: bytes, chunks: Sequence[Chunk]) -> Raster | None:
    """Grey or RGB of 8 or 16 bits, with or without alpha, from intact chunks; None when the picture is incomplete.

    OpenCV gets only header, picture and end, because it prints warnings about other chunks to the terminal.
    """
    needed: list[bytes | memoryview] = [_MAGIC, *(chunk for name, chunk in chunks if name in _DECODED)]
    is_rgb = data[25] == 2
    flags = (
        cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH if is_rgb else cv2.IMREAD_UNCHANGED
    ) | cv2.IMREAD_IGNORE_ORIENTATION
    decoded: Array | None = cv2.imdecode(np.frombuffer(b"".join(needed), np.uint8), flags)
    if decoded is None:
        return None
    samples = (
        decoded if is_rgb else np.atleast_3d(decoded)[..., 2::-1] if data[25] == 6 else np.atleast_3d(decoded)[..., :1]
    )
    opacity = decoded[..., 3] if data[25] in (4, 6) else None
    said = list[str]()
    return Raster(
        samples,
        bits=data[24],
        opacity=_key_colour(chunks, samples) if opacity is None else opacity,
        orientation=_orientation(data, chunks, said),
        significant_bits=_significant_bits(chunks),
        messages=tuple(said),
    )


def _key_colour(chunks: Sequence[Chunk], samples: Samples) -> Samples | None:
    """The opacity (H, W) by the one transparent colour (tRNS); None without it."""
    found = next((bytes(chunk[8:-4]) for name, chunk in chunks if name == b"tRNS"), b"")
    if len(found) != 2 * samples.shape[2]:
        return None
    key = np.frombuffer(found, ">u2").astype(samples.dtype)
    most = np.iinfo(samples.dtype).max
    return np.where((samples == key).all(axis=2), 0, most).astype(samples.dtype)


def _orientation(data: bytes, chunks: Sequence[Chunk], said: list[str]) -> int:
    """The EXIF orientation, from an eXIf chunk or from text that holds EXIF or XMP; 1 without."""
    texts = (b"tEXt", b"zTXt", b"iTXt")
    if not any(
        name == b"eXIf" or (name in texts and bytes(chunk[8:19]) in (b"Raw profile", b"XML:com.ado"))
        for name, chunk in chunks
    ):
        return 1
    with decoder_messages.pillow_warnings(said), Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return pillow.orientation(image)


def _significant_bits(chunks: Sequence[Chunk]) -> int | None:
    return next((chunk[8] for name, chunk in chunks if name == b"sBIT" and len(chunk) > 12), None)


def _is_header_valid(chunks: Sequence[Chunk], data: bytes) -> bool:
    """Whether there is one header, at the beginning, with values that the standard allows."""
    headers = [name for name, _ in chunks].count(b"IHDR")
    is_known = data[24] in _DEPTHS.get(data[25], ()) and data[26:28] == b"\0\0" and data[28] in (0, 1)
    return headers == 1 and chunks[0][0] == b"IHDR" and len(chunks[0][1]) == 25 and is_known


def _is_complete(chunks: Sequence[Chunk], data: bytes, *, exactly: bool = False) -> bool:
    """Whether the compressed picture holds as many bytes as the header says; without interlacing, else only its end.

    `exactly`: no more either, every row has a known filter, and there is no interlacing.
    """
    stream, length = zlib.decompressobj(), 0
    width, height, depth, kind, interlaced = *(size(data) or (0, 0)), data[24], data[25], data[28]
    row = 1 + (width * depth * _CHANNELS.get(kind, 1) + 7) // 8
    for name, chunk in chunks:
        rest = bytes(chunk[8:-4]) if name == b"IDAT" else b""
        while rest:
            part = stream.decompress(rest, _PART)
            if exactly and max(part[-length % row :: row], default=0) > _HIGHEST_FILTER:
                return False
            length, rest = length + len(part), stream.unconsumed_tail
    if exactly:
        return stream.eof and not stream.unused_data and interlaced == 0 and length == row * height
    return stream.eof and (interlaced == 1 or length >= row * height)
