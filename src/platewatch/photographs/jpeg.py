"""JPEG files: segments, pictures in the file, and decoding to a Raster."""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import simplejpeg
from PIL import Image

from platewatch.arrays import Photo
from platewatch.errors import InputError
from platewatch.photographs import damage, decoder_messages, pillow
from platewatch.photographs.raster import Raster

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF: header of a picture
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SOS, _EOI, _DHT = 0xDA, 0xD9, 0xC4
_WITHOUT_LENGTH = {0x01, 0xD8, *range(0xD0, 0xD8)}
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # the next marker after compressed data, except restart markers
_HARMLESS = ("JFIF revision number", "Adobe color transform")
_MODES = {1: "GRAY", 3: "RGB", 4: "CMYK"}


@dataclass(frozen=True)
class Header:
    """The header of a JPEG's picture (SOF)."""

    process: int
    bits: int
    width: int
    height: int
    channels: int


def header(data: bytes) -> Header | None:
    """The header of the first picture; None when there is none."""
    for marker, start, _ in _segments(data):
        if marker in _FRAMES and start + 10 <= len(data):
            bits, height, width, channels = struct.unpack_from(">BHHB", data, start + 4)
            return Header(marker, bits, width, height, channels)
    return None


def end(data: bytes, _where: str = "") -> int:
    """The offset after the picture's end (EOI); the file's length when there is none."""
    for marker, _, stop in _segments(data):
        if marker == _EOI:
            return stop
    return len(data)


def has_gain_map(data: bytes) -> bool:
    """Whether the second picture is only a gain map of the first, for bright displays (Ultra HDR)."""
    return b'hdrgm:Version="' in data[:65536]


def complaint(data: bytes) -> str:
    """The damage of a JPEG of 8 bits: libjpeg's complaint or lost bytes; empty for a complete one."""
    found = header(data)
    try:
        _strictly(data, _MODES[found.channels if found else 0])
    except (KeyError, ValueError) as error:
        return str(error).strip() or "libjpeg complains about it"
    return _lost(data)


def decode(data: bytes, where: str) -> Raster:
    """Decode a JPEG of 8 bits; raises InputError for other depths, OSError and others when there is no picture.

    When libjpeg decodes it with a complaint (data missing or left over), `damage` says so.
    """
    found = header(data)
    if found is not None and (found.process in _LOSSLESS or found.bits != 8):
        what = "a lossless JPEG" if found.process in _LOSSLESS else f"a JPEG of {found.bits} bits a channel"
        raise InputError(where, what, expected="8 bits a channel", remedy="save it as PNG or TIFF")
    mode = _MODES.get(found.channels if found else 0)
    if mode is None:
        return pillow.decode(data)
    try:
        samples = _strictly(data, mode)
    except ValueError as error:
        return pillow.decode(data, damage=str(error).strip() or "libjpeg complains about it")
    lost = _lost(data)
    if mode == "CMYK":
        return pillow.decode(data, damage=lost)
    said = list[str]()
    with decoder_messages.pillow_warnings(said), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        turn = pillow.orientation(image)
    return Raster(samples, orientation=turn, messages=tuple(said), damage=lost)


def _lost(data: bytes) -> str:
    """Why a JPEG that decodes without a complaint lacks a part; empty for a complete one."""
    if _lacks_scans(data):
        return "some of its scans are missing"
    if _lacks_further_pictures(data):
        return "the end of its last picture is missing"
    return damage.ZEROS if _has_lost_bytes(data) else ""


def _lacks_further_pictures(data: bytes) -> bool:
    """Whether a file of several pictures (MPF) ends in zeros that do not follow a picture's end."""
    beginning = data[: end(data)]
    if b"MPF\0" not in beginning or not data.endswith(bytes(damage.RUN)):
        return False
    rest = data[len(beginning) :].rstrip(b"\0")
    return not rest.endswith(b"\xff\xd9")


def _lacks_scans(data: bytes) -> bool:
    """Whether a component has no scan, or in a progressive JPEG a coefficient lacks bits; libjpeg accepts both."""
    lowest, is_progressive = dict[int, list[int]](), False
    for marker, start, stop in _segments(data):
        content = data[start + 4 : stop]
        if marker in _FRAMES:
            lowest = {each: [1] * 64 for each in content[6 : 6 + 3 * content[5] : 3]}
            is_progressive = marker in _PROGRESSIVE
        elif marker == _SOS:
            first, last, bits = content[-3:] if is_progressive else (0, 63, 0)
            for component in content[1 : 1 + 2 * content[0] : 2]:
                if component in lowest:
                    lowest[component][first : last + 1] = [bits & 0x0F] * (last + 1 - first)
    return any(any(each) for each in lowest.values())


def _has_lost_bytes(data: bytes) -> bool:
    """Whether the scans hold a run of zeros that no even area can cause.

    The code that consists of zeros is the first one of each Huffman table of AC coefficients. If this code ends a
    block, an even area may be a run of zeros.
    """
    scans = [stop for marker, _, stop in _segments(data) if marker == _SOS]
    if not scans or not damage.has_lost_bytes(memoryview(data)[scans[0] : end(data)]):
        return False
    tables = [data[start + 4 : stop] for marker, start, stop in _segments(data) if marker == _DHT]
    codes_even_areas = [ends for each in tables for ends in _block_ends(each)]
    found = header(data)
    is_baseline = found is not None and found.process in (0xC0, 0xC1)
    return not (all(codes_even_areas) if is_baseline else any(codes_even_areas))


def _block_ends(tables: bytes) -> Iterator[bool]:
    """For each table of AC coefficients in a DHT segment, whether the code that consists of zeros ends a block."""
    while len(tables) > 17:
        count = sum(tables[1:17])
        if tables[0] >> 4 and count:
            yield tables[17] & 0x0F == 0
        tables = tables[17 + count :]


def _strictly(data: bytes, mode: str) -> Photo:
    """The pixels (H, W, C) uint8 as libjpeg gives them, the same as Pillow's; raises ValueError with its complaint."""
    try:
        samples: Photo = simplejpeg.decode_jpeg(data, mode)
    except ValueError as error:
        if not any(words in str(error) for words in _HARMLESS):
            raise
        samples = simplejpeg.decode_jpeg(data, mode, strict=False)
    return samples


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, place of the marker and place after the segment, up to the end (EOI) of the first picture."""
    place = 2
    while (found := _MARKER.search(data, place)) is not None:
        marker, start = data[found.start() + 1], found.start()
        place = start + 2
        if marker not in _WITHOUT_LENGTH and marker != _EOI:
            place += int.from_bytes(data[place : place + 2], "big")
        yield marker, start, place
        if marker == _EOI:
            return
