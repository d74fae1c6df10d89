"""The record for others: as CSV, as JSON lines, and the reviewed plates as a data set in the MVTec layout."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from platewatch import files
from platewatch.errors import InputError
from platewatch.photographs import formats, reading
from platewatch.photographs.data_sets import GOOD
from platewatch.records.values import MOST, Dataset, Entry, Judgement, Outcome, Query

if TYPE_CHECKING:
    from platewatch.records.records import Records

DEFECTIVE = "defective"
"""The folder of plates that people called defective: what is wrong with them nobody was asked."""

_TEST_SHARE = 0.2


def every(records: "Records", query: Query) -> Iterator[Entry]:
    """All entries that the query asks for, newest first, page by page."""
    page = records.find(replace(query, limit=MOST))
    yield from page.entries
    while page.next is not None:
        page = records.find(replace(query, limit=MOST, before=page.next))
        yield from page.entries


def csv_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """The names of the columns, then one line for each plate."""
    line = io.StringIO()
    writer = csv.writer(line)
    for row in chain([_COLUMNS], ([_cell(value) for value in _values(entry)] for entry in entries)):
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def write_csv(entries: Iterable[Entry], file: IO[str]) -> int:
    """One line for each plate, with names above; how many there were."""
    count = 0
    for count, line in enumerate(csv_lines(entries)):  # noqa: B007 - how many there were
        file.write(line)
    return count


def write_json_lines(entries: Iterable[Entry], file: IO[str]) -> int:
    """One Entry as JSON a line; how many there were."""
    count = 0
    for count, entry in enumerate(entries, start=1):  # noqa: B007 - as above
        file.write(entry.as_json() + "\n")
    return count


def held_out(sha256: str) -> bool:
    """Whether a photograph of a good plate is kept from training for ever: one in five, by its hash."""
    return int(sha256[:8], 16) < _TEST_SHARE * 16**8


def write_dataset(records: "Records", folder: Path, query: Query) -> Dataset:
    """The plates that people called good or defective, with a list; what they marked becomes a mask.

    A fifth of the good ones, by their hash and so for ever the same, goes to `test`. Raises OutputError.
    """
    with files.whole_folder(folder) as part:
        return _fill(records, part, query)


def _fill(records: "Records", folder: Path, query: Query) -> Dataset:
    said, without, unsure = dict[str, list[Entry]](), 0, 0
    for entry in every(records, replace(query, reviewed=True)):
        if entry.review is None or entry.review.judgement is Judgement.UNSURE:
            unsure += 1
        elif not entry.photograph_kept or entry.photograph_sha256 is None or entry.outcome is Outcome.FAILED:
            without += 1
        else:
            said.setdefault(entry.photograph_sha256, []).append(entry)
    counts = {GOOD: 0, DEFECTIVE: 0}
    contradictory, listed = 0, list[Entry]()
    for sha256, entries in said.items():
        if len({entry.review.judgement for entry in entries if entry.review}) > 1:
            contradictory += 1
            continue
        photograph = records.photograph(entries[0].number)
        if photograph is None:
            without += 1
            continue
        kind = GOOD if _judgement(entries[0]) is Judgement.GOOD else DEFECTIVE
        _write_plate(folder, entries[0], photograph, kind, sha256)
        counts[kind] += 1
        listed.append(entries[0])
    with (folder / "reviewed.csv").open("w", encoding="utf-8", newline="") as file:
        write_csv(listed, file)
    return Dataset(counts[GOOD], counts[DEFECTIVE], unsure, without, contradictory)


def _judgement(entry: Entry) -> Judgement | None:
    return None if entry.review is None else entry.review.judgement


def _write_plate(folder: Path, entry: Entry, photograph: bytes, kind: str, sha256: str) -> None:
    test = kind == DEFECTIVE or held_out(sha256)
    place = folder / ("test" if test else "train") / kind
    place.mkdir(parents=True, exist_ok=True)
    name = f"{entry.number:06}"
    (place / f"{name}{formats.suffix(photograph)}").write_bytes(photograph)
    if kind == DEFECTIVE and entry.review is not None and entry.review.boxes:
        masks = folder / "ground_truth" / kind
        masks.mkdir(parents=True, exist_ok=True)
        try:
            mask = np.zeros(reading.read(photograph, str(entry.number)).shape[:2], np.uint8)
        except InputError:
            return  # what cannot be read has no places
        for left, top, width, height in entry.review.boxes:
            mask[top : top + height, left : left + width] = 255
        reading.write_png(masks / f"{name}_mask.png", mask)


_COLUMNS = (
    *("number", "received", "outcome", "plate_id", "image", "score", "threshold", "p_value", "reason", "defects"),
    *("error", "model_id", "source", "time", "duration_ms", "judgement", "reviewer", "reviewed", "note"),
    *("photograph_sha256", "photograph_kept", "chain"),
)


def _values(entry: Entry) -> Iterator[object]:
    found, said = entry.inspection, entry.review
    yield from (entry.number, entry.received.isoformat(), entry.outcome, entry.plate_id, found.image, found.score)
    yield from (found.threshold, found.p_value, found.reason, len(found.defects), found.error, found.model_id)
    yield from (entry.source, found.time.isoformat(), found.duration_ms)
    yield from (said.judgement, said.reviewer, said.time.isoformat(), said.note) if said else (None,) * 4
    yield from (entry.photograph_sha256, entry.photograph_kept, entry.chain)


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula begins with an apostrophe: it came from outside."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
