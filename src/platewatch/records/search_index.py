"""The words by which plates are found: beginnings of plate id, photograph's name and notes, and reviewers' names."""

import hashlib
import re
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select

from platewatch.records.schema import terms

TEXT, REVIEWER = "text", "reviewer"
"""Kinds of terms."""

_WORD = re.compile(r"[^\W_]+")
_LONGEST = 60

Term = tuple[str, str]
"""Kind and word."""


def words(*texts: str | None) -> set[str]:
    """The words in the texts as they are searched: folded, letters and digits only."""
    return {word[:_LONGEST] for text in texts for word in _WORD.findall((text or "").casefold())}


def of_plate(plate_id: str | None, image: str | None) -> set[Term]:
    """What a plate is found by from the start: its id and its photograph's name without folders and suffix."""
    file = re.split(r"[\\/]", image or "")[-1]
    return {(TEXT, word) for word in words(plate_id, file.rpartition(".")[0] or file)}


def of_review(reviewer: str, note: str) -> set[Term]:
    """What a review adds."""
    return {(REVIEWER, reviewer), *((TEXT, word) for word in words(note))}


def index(connection: Connection, found: set[Term], received: int, number: int, *, new: bool = False) -> None:
    """Let the entry be found by these terms too, within a writing transaction; a `new` one has none yet."""
    if not new:
        there = connection.execute(select(terms.c.kind, terms.c.word).where(terms.c.number == number))
        found = found - {(row.kind, row.word) for row in there}
    rows = [{"kind": kind, "word": word, "received": received, "number": number} for kind, word in sorted(found)]
    if rows:
        connection.execute(insert(terms), rows)


def checksum(found: Iterable[Term], received: int, number: int) -> int:
    """A number that stands for these terms of an entry; those of all entries are added up, in any order."""
    texts = (f"{kind}\n{word}\n{received}\n{number}" for kind, word in found)
    return sum(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=12).digest()) for text in texts)


def total(connection: Connection) -> int:
    """The checksums of the whole table."""
    rows = connection.execute(select(terms).execution_options(yield_per=5000))
    return sum(checksum([(row.kind, row.word)], row.received, row.number) for row in rows)
