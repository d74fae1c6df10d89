"""TIFF and BigTIFF: the pages of a file (IFDs) with the tags that decoding needs."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platewatch.arrays import Array
from platewatch.errors import InputError

_TYPES = {1: "u1", 2: "S1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 13: "u4"}
_TYPES |= {16: "u8", 17: "i8", 18: "u8"}  # of BigTIFF
_MOST_PAGES = 64
_MOST_TAGS = 1000
_MOST_VALUES = 2**20  # values of one tag: more than strips of one row, for 8000 rows and three planes
SUB_PAGES = 330


@dataclass(frozen=True)
class Page:
    """One picture's tags: their values as arrays, by number. Numbers are those of TIFF 6.0 and its supplements."""

    tags: dict[int, Array]
    byte_order: str
    """`<` or `>`, as NumPy and struct write it."""

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a tag; `default` when it is missing."""
        values = self.tags.get(tag)
        return default if values is None or not len(values) else int(values[0])

    def numbers(self, tag: int) -> list[int]:
        """All values of a tag; empty when it is missing."""
        values = self.tags.get(tag)
        return [] if values is None else [int(each) for each in values]

    @property
    def width(self) -> int:
        """Width in px."""
        return self.number(256)

    @property
    def height(self) -> int:
        """Height in px."""
        return self.number(257)

    @property
    def says_reduced(self) -> bool:
        """Whether it is marked as a smaller copy of another page."""
        return bool(self.number(254) & 1) or self.number(255) == 2

    @property
    def is_mask(self) -> bool:
        """Whether it is another page's transparency mask."""
        return bool(self.number(254) & 4) or self.number(262, 1) == 4

    @cached_property
    def description(self) -> str:
        """ImageDescription as text."""
        values = self.tags.get(270)
        return "" if values is None else values.tobytes().decode("latin-1")


def read(data: bytes, where: str) -> list[Page]:
    """The pages in order, those of SubIFDs after the page that names them.

    Raises InputError when the file has no page, more than a photograph has, or ends within one.
    """
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    is_big = data[2:4] in (b"+\0", b"\0+")
    try:
        start = struct.unpack_from(f"{order}Q", data, 8)[0] if is_big else struct.unpack_from(f"{order}I", data, 4)[0]
        return list(_walk(data, start, order, where, is_big=is_big))
    except (struct.error, ValueError) as error:
        what = "damaged photograph (truncated TIFF: a page lies beyond its end)"
        raise InputError(where, what, remedy="copy it again or remove it") from error


def _walk(data: bytes, start: int, order: str, where: str, *, is_big: bool) -> Iterator[Page]:
    waiting, known = [start], set[int]()
    while waiting:
        place = waiting.pop(0)
        if place == 0 or place in known:
            continue
        known.add(place)
        if len(known) > _MOST_PAGES:
            raise InputError(where, f"more than {_MOST_PAGES} pages", expected="one picture", remedy="save one page")
        tags, following = _tags(data, place, order, where, is_big=is_big)
        page = Page(tags, order)
        yield page
        waiting = [*page.numbers(SUB_PAGES)[:_MOST_PAGES], *waiting, following]


def _tags(data: bytes, place: int, order: str, where: str, *, is_big: bool) -> tuple[dict[int, Array], int]:
    """The tags of the page at `place`, and where the next page is; 0 when there is none."""
    count_form, entry_form, next_form = ("Q", "HHQ", "Q") if is_big else ("H", "HHI", "I")
    (count,) = struct.unpack_from(order + count_form, data, place)
    if count > _MOST_TAGS:
        raise InputError(where, f"a page of {count} tags", expected="a photograph", remedy="save it anew")
    place += struct.calcsize(order + count_form)
    inline = struct.calcsize(order + next_form)
    entry = struct.calcsize(order + entry_form) + inline
    tags = dict[int, Array]()
    for number in range(count):
        at = place + number * entry
        tag, kind, length = struct.unpack_from(order + entry_form, data, at)
        values_at = at + entry - inline
        if kind not in _TYPES or length > _MOST_VALUES:
            continue
        dtype = np.dtype(order + _TYPES[kind])
        if dtype.itemsize * length > inline:
            (values_at,) = struct.unpack_from(order + next_form, data, values_at)
        if values_at + dtype.itemsize * length <= len(data):
            tags.setdefault(tag, np.frombuffer(data, dtype, length, values_at))
        elif tag in NEEDED:
            raise ValueError(f"tag {tag} lies beyond the end")
    (following,) = struct.unpack_from(order + next_form, data, place + count * entry)
    return tags, following


NEEDED = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 338, 339, 347}
"""Tags without which a page would be decoded differently."""
