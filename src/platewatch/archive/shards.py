"""Shards: some hundred photographs in a row that are judged together and become one Parquet file of a fixed name.

Where a shard ends depends on the paths near its end alone: a photograph that comes or goes changes a few shards, not
all behind it.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

SIZE = 256
"""Photographs of a shard, about."""


class Photograph(NamedTuple):
    """One photograph of an archive, not read yet."""

    image: str
    """Path or URI."""
    mark: str
    """What makes it another photograph beside the path: hash or size, and what the manifest says of it."""
    size: int | None
    """Bytes of the file, where they are known."""
    label: int | None = None
    """0 normal, 1 anomalous."""
    plate_id: str | None = None
    taken: float | None = None
    """When it was taken, seconds since 1970: as the manifest says, else when the file was written last."""
    part_type: str | None = None
    """As the manifest says; it is judged by the archive's model all the same."""


@dataclass(frozen=True)
class Shard:
    """Photographs of one source, in their order."""

    name: str
    """`CONTENT-MODEL`: hashes of the paths with their marks, and of what they are judged with."""
    source: int
    """The source's number."""
    photographs: tuple[Photograph, ...]


def model_mark(*settings: object) -> str:
    """The second half of a shard's name: of everything that the rows depend on beside the photographs."""
    return hashlib.sha256("\n".join(map(str, settings)).encode()).hexdigest()[:8]


def content(name: str) -> str:
    """The first half of a shard's name: equal for two models on the same photographs."""
    return name.partition("-")[0]


def cut(photographs: Iterable[tuple[int, Photograph]], mark: str, size: int = SIZE) -> Iterator[Shard]:
    """The shards of a listing, each of `size` / 2 to 2 · `size` photographs, about `size` in the mean.

    After its first half a shard ends at the next path whose CRC-32 is divisible by half of `size`.
    """
    least, most = max(1, size // 2), 2 * size
    source, kept, lines = 0, list[Photograph](), list[bytes]()

    def shard() -> Shard:
        name = hashlib.sha256(b"\n".join(lines)).hexdigest()[:24]
        return Shard(f"{name}-{mark}", source, tuple(kept))

    for number, photograph in photographs:
        if number != source and kept:
            yield shard()
            kept, lines = [], []
        source = number
        path = photograph[0].encode("utf-8", "surrogateescape")
        kept.append(photograph)
        lines.append(path + b"\0" + photograph[1].encode())
        if len(kept) >= least and (zlib.crc32(path) % least == 0 or len(kept) >= most):
            yield shard()
            kept, lines = [], []
    if kept:
        yield shard()
