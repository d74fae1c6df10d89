"""WebP files: chunks, pictures in the file, and decoding to a Raster."""

from collections.abc import Iterator

from PIL import Image

from platewatch.photographs import damage, pillow
from platewatch.photographs.raster import Raster

_PICTURES = (b"VP8 ", b"VP8L")


def end(data: bytes, _where: str) -> int:
    """The offset of the file's end, by its header; at most the file's length."""
    return min(8 + int.from_bytes(data[4:8], "little"), len(data))


def pictures(data: bytes, _where: str) -> int:
    """Number of pictures of an animation; 1 for any other file."""
    return max(1, sum(name == b"ANMF" for name, _ in _chunks(data)))


def decode(data: bytes, _where: str) -> Raster:
    """Decode a WebP; raises what Pillow raises. It has no checksums: runs of zeros are taken for lost data."""

    def look(image: Image.Image) -> str:
        pictures = (content for name, content in _chunks(data) if name in _PICTURES)
        return damage.ZEROS if any(damage.has_lost_bytes(each, image.width * image.height) for each in pictures) else ""

    return pillow.decode(data, look=look)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, place = memoryview(data), 12
    while place + 8 <= len(data):
        length = int.from_bytes(view[place + 4 : place + 8], "little")
        yield bytes(view[place : place + 4]), view[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
