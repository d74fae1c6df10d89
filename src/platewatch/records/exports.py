"""Exports of the record: CSV, JSON lines, and the reviewed plates as a data set in the MVTec layout."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from platewatch import files, printable
from platewatch.errors import InputError
from platewatch.photographs import formats, reading
from platewatch.photographs.data_sets import GOOD
from platewatch.records.values import Dataset, Entry, Judgement, Outcome

DEFECTIVE = "defective"
"""Folder of plates reviewed as defective; reviews do not name the kind of defect."""

BOM = "\ufeff"
"""The byte order mark."""

_TEST_FRACTION = 0.2


def csv_lines(entries: Iterable[Entry], *, decimal: str = ".", bom: bool = False) -> Iterator[str]:
    """A line with the names of the columns, then one line per plate.

    With `decimal` "," numbers have a decimal comma and columns are separated by semicolons, as spreadsheets of many
    European languages expect. `bom` begins with the byte order mark by which Excel recognises UTF-8.
    """
    if bom:
        yield BOM
    line = io.StringIO()
    writer = csv.writer(line, delimiter=";" if decimal == "," else ",")
    for row in chain([_COLUMNS], ([printable.cell(value, decimal) for value in _values(entry)] for entry in entries)):
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def write_csv(entries: Iterable[Entry], file: IO[str], *, decimal: str = ".", bom: bool = False) -> int:
    """Write a header and one line per plate, as `csv_lines` does; returns the number of plates."""
    count = 0
    if bom:
        file.write(BOM)
    for count, line in enumerate(csv_lines(entries, decimal=decimal)):  # noqa: B007 - the last count is returned
        file.write(line)
    return count


def write_json_lines(entries: Iterable[Entry], file: IO[str]) -> int:
    """Write one JSON Entry per line; returns the number of plates."""
    count = 0
    for count, entry in enumerate(entries, start=1):  # noqa: B007 - as above
        file.write(entry.as_json() + "\n")
    return count


def held_out(sha256: str) -> bool:
    """Whether a photograph of a good plate is never used in training: one in five, chosen by its hash."""
    return int(sha256[:8], 16) < _TEST_FRACTION * 16**8


def write_dataset(reviewed: Iterable[Entry], photograph: Callable[[int], bytes | None], folder: Path) -> Dataset:
    """Write the plates reviewed as good or defective, with a list; marked boxes become masks.

    `photograph` gives the bytes of a plate's photograph by its number, None when they are not kept. A fifth of the good
    plates goes to `test`, always the same ones. Raises OutputError.
    """
    with files.whole_folder(folder) as part:
        return _fill(reviewed, photograph, part)


def _fill(entries: Iterable[Entry], photograph: Callable[[int], bytes | None], folder: Path) -> Dataset:
    reviewed, without, unsure = dict[str, list[Entry]](), 0, 0
    for entry in entries:
        if not _teaches(entry):
            unsure += 1
        elif not entry.photograph_kept or entry.photograph_sha256 is None or entry.outcome is Outcome.FAILED:
            without += 1
        else:
            reviewed.setdefault(entry.photograph_sha256, []).append(entry)
    counts = {GOOD: 0, DEFECTIVE: 0}
    contradictory, listed = 0, list[Entry]()
    for sha256, same in reviewed.items():
        if len({entry.review.judgement for entry in same if entry.review}) > 1:
            contradictory += 1
            continue
        data = photograph(same[0].number)
        if data is None:
            without += 1
            continue
        kind = GOOD if _judgement(same[0]) is Judgement.GOOD else DEFECTIVE
        _write_plate(folder, same[0], data, kind, sha256)
        counts[kind] += 1
        listed.append(same[0])
    with (folder / "reviewed.csv").open("w", encoding="utf-8", newline="") as file:
        write_csv(listed, file)
    return Dataset(counts[GOOD], counts[DEFECTIVE], unsure, without, contradictory)


def _teaches(entry: Entry) -> bool:
    """Whether a review says good or defective, and a good plate's photograph passed the checks."""
    judgement = _judgement(entry)
    unchecked = entry.outcome is Outcome.REVIEW and entry.inspection.score is None
    return judgement is Judgement.DEFECTIVE or (judgement is Judgement.GOOD and not unchecked)


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
            mask = np.zeros(reading.shown(photograph, str(entry.number)).shape[:2], np.uint8)
        except InputError:
            return  # no mask for a photograph that is not readable
        for left, top, width, height in entry.review.boxes:
            mask[top : top + height, left : left + width] = 255
        reading.write_png(masks / f"{name}_mask.png", mask)


_COLUMNS = (
    *("number", "received", "outcome", "plate_id", "image", "score", "threshold", "p_value", "reason", "defects"),
    *("error", "model_id", "source", "time", "duration_ms", "judgement", "reviewer", "reviewed", "note"),
    *("photograph_sha256", "photograph_kept", "chain", "station", "part_type"),
)


def _values(entry: Entry) -> Iterator[object]:
    found, review = entry.inspection, entry.review
    yield from (entry.number, entry.received.isoformat(), entry.outcome, entry.plate_id, found.image, found.score)
    yield from (found.threshold, found.p_value, found.reason, len(found.defects), found.error, found.model_id)
    yield from (entry.source, found.time.isoformat(), found.duration_ms)
    yield from (review.judgement, review.reviewer, review.time.isoformat(), review.note) if review else (None,) * 4
    yield from (entry.photograph_sha256, entry.photograph_kept, entry.chain, entry.station, entry.part_type)
