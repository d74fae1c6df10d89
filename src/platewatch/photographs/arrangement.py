"""Arranges data sets of VisA, KolektorSDD, anomalib, or plainly good and defective plates in the MVTec layout."""

import csv
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from platewatch import files
from platewatch.errors import InputError
from platewatch.photographs import data_sets, layouts, masks
from platewatch.photographs.data_sets import ANOMALOUS, GOOD, NORMAL, Sample
from platewatch.progress import Progress, silent

_TEST_SHARE = 3  # one good plate in three is kept for the test


@dataclass(frozen=True)
class Arranged:
    """What was copied where."""

    counts: Mapping[str, int]
    """Photographs by their folder, `train/good`, `test/good` and `test/<defect>`."""
    masks: int
    divided_by: str
    """How the good plates were divided, in words."""
    left_alone: int
    """Files of the data set that are neither photograph nor mask."""


@dataclass(frozen=True)
class _Tree:
    samples: list[Sample]
    tested: Mapping[Path, bool]
    """Whether a photograph is for the test, where the data set says so."""


def arrange(data: Path, out: Path, progress: Progress = silent) -> Arranged:
    """Copy the photographs and masks of DATA to OUT in the MVTec layout; DATA stays as it is.

    Defective plates are for the test. Good plates are divided as the data set says; otherwise the last third by name is
    for the test. No folder of KolektorSDD (one part) is in both. On failure nothing is left behind. Raises InputError
    when DATA has none of these layouts, OutputError when OUT is not empty or cannot be written.
    """
    kind = layouts.kind(data)
    if kind is None:
        problem = layouts.other_layout(data)
        expected = "a tree of VisA, KolektorSDD or anomalib, or folders of good and defective plates"
        raise problem or InputError(data, "no layout that can be arranged", expected=expected)
    tree = {layouts.VISA: _visa, layouts.KOLEKTOR: _kolektor, layouts.UNDIVIDED: _undivided}[kind](data)
    good = [sample for sample in tree.samples if sample.label == NORMAL]
    if len(good) < 2 or len(good) == len(tree.samples):
        what = f"{len(good)} good and {len(tree.samples) - len(good)} defective plates"
        raise InputError(data, what, expected="at least 2 and 1", remedy="add photographs")
    tested = dict(tree.tested) or _last_third(good)
    counts, written = Counter[str](), 0
    with files.whole_folder(out) as folder:
        for done, sample in enumerate(tree.samples, start=1):
            part = "test" if sample.label == ANOMALOUS or tested[sample.path] else "train"
            place, name = f"{part}/{sample.defect}", _name(sample.path, data, kind)
            _copy(sample.path, folder / place / name)
            counts[place] += 1
            if sample.mask is not None and sample.label == ANOMALOUS:
                mask = f"{Path(name).stem}_mask{sample.mask.suffix.lower()}"
                _copy(sample.mask, folder / "ground_truth" / sample.defect / mask)
                written += 1
            progress("copying photographs", done, len(tree.samples))
    used = len(tree.samples) + sum(sample.mask is not None for sample in tree.samples)
    how = "as the data set says" if tree.tested else "the last third by name is for the test"
    return Arranged(
        dict(sorted(counts.items(), reverse=True)), written, how, len(list(data_sets.files_of(data))) - used
    )


def _visa(data: Path) -> _Tree:
    images = layouts.visa_images(data)
    assert images is not None  # noqa: S101 - `kind` saw it
    truth = layouts.subfolder(images.parent, *layouts.TRUTH)
    table = data.parent / "split_csv" / "1cls.csv"
    tested: dict[Path, bool] = {}
    if table.is_file():
        with table.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row.get("object") == data.name]
        tested = {data.parent / row["image"]: row["split"] == "test" for row in rows}
    samples = list(_by_folder(images, truth))
    known = tested.keys() >= {sample.path for sample in samples}
    return _Tree(samples, tested if known else {})


def _undivided(data: Path) -> _Tree:
    return _Tree(list(_by_folder(data, layouts.subfolder(data, *layouts.TRUTH))), {})


def _by_folder(folder: Path, truth: Path | None) -> Iterator[Sample]:
    for each in (layouts.good_folder(folder), *layouts.defect_folders(folder, truth)):
        if each is not None and layouts.photographs(each):
            defect = GOOD if each.name.casefold() in layouts.GOOD else each.name
            yield from data_sets.samples(each, defect, truth)


def _kolektor(data: Path) -> _Tree:
    samples, tested = [], {}
    for folder in layouts.kolektor_folders(data):
        for sample in data_sets.samples(folder, GOOD, None):
            if sample.mask is None:
                raise InputError(sample.path, "no mask beside it", expected="one, empty for a good plate")
            defective = bool(masks.read(sample.mask).any())
            samples.append(replace(sample, defect="defective" if defective else GOOD))
            if folder.name.casefold() in ("train", "test"):
                tested[sample.path] = folder.name.casefold() == "test"
    return _Tree(samples, tested)


def _last_third(good: list[Sample]) -> dict[Path, bool]:
    """By folder where there are several, else by photograph; at least one stays for training."""
    folders = {sample.path.parent for sample in good}
    groups = [
        list(group) for _, group in groupby(good, lambda each: each.path.parent if len(folders) > 1 else each.path)
    ]
    tested: dict[Path, bool] = {}
    for number, group in enumerate(reversed(groups)):
        later = number == 0 or (len(tested) < len(good) // _TEST_SHARE and number < len(groups) - 1)
        tested |= dict.fromkeys((sample.path for sample in group), later)
    return tested


def _name(path: Path, data: Path, kind: str) -> str:
    """The name in OUT; in KolektorSDD each part's folder has the same names."""
    return (
        f"{path.parent.relative_to(data).as_posix().replace('/', '_')}_{path.name}"
        if kind == layouts.KOLEKTOR
        else path.name
    )


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
