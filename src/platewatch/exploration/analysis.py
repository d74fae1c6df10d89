"""Explores a folder: measures of good and defective plates, AUROC of each measure and of classical detectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platewatch.arrays import Doubles, Photo
from platewatch.errors import InputError
from platewatch.evaluation import metrics
from platewatch.exploration import classical_detectors, outliers, plate_features
from platewatch.exploration.findings import BANK, TEST, TRAIN, Area, Example, Exploration, Group, Row
from platewatch.exploration.plate_features import PlateFeatures
from platewatch.photographs import data_sets, preparation, reading
from platewatch.progress import Progress, silent
from platewatch.surface import detector

MIN_GOOD = 5
BANK_PLATES = 300
"""The memory bank is fitted to at most this number of good plates, to bound memory."""


@dataclass(frozen=True)
class _Measured:
    """The features of a photograph; `score` is phase one's score of a test plate."""

    path: Path
    group: str
    plate: PlateFeatures
    score: float | None = None


@dataclass(frozen=True)
class _Picture:
    """A prepared photograph (S, S, 3) uint8, its place in the square, and its features."""

    photo: Photo
    frame: preparation.Frame
    plate: PlateFeatures


class _Reader:
    """Reads and prepares photographs, collects errors and reports progress."""

    def __init__(self, size: int, count: int, progress: Progress) -> None:
        self.failed: list[tuple[str, str]] = []
        self._size, self._count, self._done, self._progress = size, count, 0, progress

    def read(self, path: Path) -> _Picture | None:
        """The prepared photograph; None when it is not readable."""
        try:
            return _open(path, self._size)
        except InputError as error:
            self.failed.append((str(path), error.reason))
            return None
        finally:
            self._done += 1
            self._progress("looking at photographs", self._done, self._count)


def explore(data: Path, *, size: int = 256, seed: int = 0, progress: Progress = silent) -> Exploration:
    """Explore DATA/train/good (or the photographs in DATA) and, if it exists, DATA/test.

    Every photograph is prepared to `size` px; those that are not readable are listed in `failed`. Detectors are fitted
    to the training photographs alone. Raises InputError for a missing folder, another layout, or fewer than
    MIN_GOOD readable good photographs.
    """
    training = data_sets.training(data)
    samples = data_sets.test(data) if (data / "test").is_dir() else []
    reader = _Reader(size, len(training) + len(samples), progress)
    good, pictures = _read_good(training, reader, seed)
    photos = np.stack([picture.photo for picture in pictures.values()])
    insides = np.stack([picture.frame.inside(size) for picture in pictures.values()])
    bank = detector.fit(photos, seed, insides=insides)
    tested = _read_test(samples, reader, bank)
    measured = good + tested
    strongest_outliers, outlier_count = outliers.find(
        list(pictures),
        photos,
        insides,
        [picture.plate for picture in pictures.values()],
        seed,
    )
    return Exploration(
        data=str(data),
        size=size,
        groups=tuple(_group(name, measured, size) for name in dict.fromkeys(each.group for each in measured)),
        rows=_measure_rows(tested, TEST),
        drift=_measure_rows([each for each in measured if each.group in (TRAIN, TEST)], TRAIN),
        detectors=_detector_rows(good, tested, seed),
        outliers=strongest_outliers,
        outlier_count=outlier_count,
        masked=sum(each.plate.masked for each in measured),
        covered=float(np.median([each.plate.covered for each in measured])),
        grey=sum(each.plate.grey for each in measured),
        failed=tuple(reader.failed),
    )


def _open(path: Path, size: int) -> _Picture:
    photo = reading.read(path)
    frame = preparation.frame(photo.shape[1], photo.shape[0], size)
    square = preparation.prepare(photo, size)
    return _Picture(square, frame, plate_features.describe(square, frame))


def _read_good(paths: Sequence[Path], reader: _Reader, seed: int) -> tuple[list[_Measured], dict[Path, _Picture]]:
    """The features of all good plates, and the photographs of at most BANK_PLATES of them, chosen at random."""
    order = np.random.default_rng(seed).permutation(len(paths))
    kept = {paths[place] for place in order[:BANK_PLATES]}
    good, pictures = [], {}
    for path in paths:
        if found := reader.read(path):
            good.append(_Measured(path, TRAIN, found.plate))
            if path in kept:
                pictures[path] = found
    if len(pictures) < MIN_GOOD:
        first = f"; first: {': '.join(reader.failed[0])}" if reader.failed else ""
        raise InputError(
            paths[0].parent,
            f"{len(pictures)} readable photographs of {len(paths)}, exploring needs at least {MIN_GOOD} good ones",
            remedy=f"add photographs{first}",
        )
    return good, pictures


def _read_test(samples: Sequence[data_sets.Sample], reader: _Reader, bank: detector.Surface) -> list[_Measured]:
    measured = []
    for sample in samples:
        if found := reader.read(sample.path):
            name = sample.defect if sample.label == data_sets.ANOMALOUS else TEST
            score = bank.inspect(found.photo, found.frame.inside(len(found.photo))).score
            measured.append(_Measured(sample.path, name, found.plate, score))
    return measured


def _group(name: str, measured: Sequence[_Measured], size: int) -> Group:
    members = [each for each in measured if each.group == name]
    histograms = np.stack([each.plate.histogram for each in members])
    mean = histograms.mean(axis=0)
    apart = ((np.sqrt(histograms) - np.sqrt(mean)) ** 2).sum(axis=(1, 2))
    typical = members[int(apart.argmin())]
    picture = _open(typical.path, size)
    return Group(
        name=name,
        count=len(members),
        histogram=mean,
        spread=histograms.std(axis=0),
        measures={key: np.array([each.plate.measures[key] for each in members]) for key in _common(members)},
        example=Example(
            str(typical.path),
            picture.photo,
            plate_features.find_plate(picture.photo, picture.frame)[0],
            typical.plate.histogram,
        ),
    )


def _common(members: Sequence[_Measured]) -> list[str]:
    """The measures that all members have; grey photographs lack red, green and blue."""
    return [name for name in members[0].plate.measures if all(name in each.plate.measures for each in members)]


def _measure_rows(plates: Sequence[_Measured], normal: str) -> tuple[Row, ...]:
    if not plates:
        return ()
    values = {name: np.array([each.plate.measures[name] for each in plates]) for name in _common(plates)}
    rows = [_row(name, "", plates, values[name], normal) for name in values]
    return tuple(row for row in rows if row.areas)


def _detector_rows(good: Sequence[_Measured], tested: Sequence[_Measured], seed: int) -> tuple[Row, ...]:
    if not tested:
        return ()
    rows = []
    for classical in classical_detectors.DETECTORS:
        fitted = classical.fit(np.stack([classical.features(each.plate) for each in good]), seed)
        scores = fitted(np.stack([classical.features(each.plate) for each in tested]))
        rows.append(_row(classical.name, classical.looks_at, tested, scores, TEST))
    scores = np.array([each.score for each in tested], float)
    rows.append(_row(BANK, "colour and lines of every patch", tested, scores, TEST))
    return tuple(row for row in rows if row.areas)


def _row(name: str, looks_at: str, plates: Sequence[_Measured], values: Doubles, normal: str) -> Row:
    """The AUROC of each group against `normal`, and of all of them together; `values` (N,)."""
    groups = np.array([each.group for each in plates])
    areas = {}
    for group in dict.fromkeys(groups[groups != normal].tolist()):
        if area := _area(values[groups == normal], values[groups == group]):
            areas[group] = area
    return Row(name, looks_at, areas, _area(values[groups == normal], values[groups != normal]))


def _area(normal: Doubles, anomalous: Doubles) -> Area | None:
    labels = np.repeat([0, 1], [len(normal), len(anomalous)])
    value = metrics.auroc(labels, np.concatenate([normal, anomalous]))
    return None if value is None else Area(value, *metrics.auroc_interval(value, len(normal), len(anomalous)))
