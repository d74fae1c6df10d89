"""Search index: words of plate ids, photographs' names and notes, and reviewers' names; found by their beginning."""

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
    """The words of the texts in the form of the index: case-folded, letters and digits only."""
    return {word[:_LONGEST] for text in texts for word in _WORD.findall((text or "").casefold())}


def of_plate(plate_id: str | None, image: str | None) -> set[Term]:
    """The terms of a plate: words of its id and of its photograph's name without folder and suffix."""
    file = re.split(r"[\\/]", image or "")[-1]
    return {(TEXT, word) for word in words(plate_id, file.rpartition(".")[0] or file)}


def of_review(reviewer: str, note: str, kind: str = "") -> set[Term]:
    """The terms that a review adds: the reviewer's name, and the words of the note and of the kind of defect."""
    return {(REVIEWER, reviewer), *((TEXT, word) for word in words(note, kind))}


def insert_words(count: int) -> str:
    """The statement that adds this many words of a new entry, as :word0, :word1 …; it has no terms yet."""
    rows = ", ".join(f"('{TEXT}', :word{place}, :received, :number)" for place in range(count))
    return f"INSERT INTO terms (kind, word, received, number) VALUES {rows}"  # noqa: S608 - names of parameters


def index(connection: Connection, found: set[Term], received: int, number: int) -> None:
    """Add terms to an entry's in the index, within a write transaction."""
    present = connection.execute(select(terms.c.kind, terms.c.word).where(terms.c.number == number))
    missing = found - {(row.kind, row.word) for row in present}
    rows = [{"kind": kind, "word": word, "received": received, "number": number} for kind, word in sorted(missing)]
    if rows:
        connection.execute(insert(terms), rows)


def checksum(found: Iterable[Term], received: int, number: int) -> int:
    """Checksum of an entry's terms; the checksums of all entries can be added in any order."""
    texts = (f"{kind}\n{word}\n{received}\n{number}" for kind, word in found)
    return sum(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=12).digest()) for text in texts)


def total(connection: Connection) -> int:
    """The sum of the checksums of the whole table."""
    rows = connection.execute(select(terms).execution_options(yield_per=5000))
    return sum(checksum([(row.kind, row.word)], row.received, row.number) for row in rows)
