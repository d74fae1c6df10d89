"""Data-set folders in the MVTec layout: train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platewatch.errors import InputError
from platewatch.photographs import formats, layouts, masks, reading

GOOD = "good"
NORMAL, ANOMALOUS = 0, 1


@dataclass(frozen=True)
class Sample:
    """One labelled photograph; `mask` is a file, a folder of masks, or None where there is none."""

    path: Path
    defect: str
    """`good`, or the name of the defect's folder."""
    mask: Path | None

    @property
    def label(self) -> int:
        """NORMAL 0 or ANOMALOUS 1, by the parent folder's name."""
        return NORMAL if self.defect == GOOD else ANOMALOUS


def training(data: Path) -> list[Path]:
    """The good photographs for training: those in DATA/train/good, or in DATA itself if it has no train/ or test/.

    The folder may be called `OK` or `Normal` too, in capitals or not. Raises InputError when there are none, when masks
    lie among them, and for a tree of another layout, with the command that changes it.
    """
    train, tested = layouts.subfolder(data, "train"), layouts.subfolder(data, *layouts.TEST)
    if train is None and tested is None:
        return _plain(data)
    if (other := layouts.other_layout(data)) is not None:
        raise other
    train = train or data / "train"
    good = layouts.good_folder(train) or train / GOOD
    if not good.is_dir() and train.is_dir() and layouts.photographs(train):
        raise InputError(train, f"photographs, but no {GOOD}/", remedy=f"if all are good: platewatch train {train}")
    return _unmasked(good)


def _plain(data: Path) -> list[Path]:
    if not data.is_dir():
        reading.find(data)  # raises: missing, a file or no permission
    if (other := layouts.other_layout(data)) is not None:
        raise other
    try:
        return _unmasked(data)
    except InputError as error:
        if layouts.photographs(data):
            raise
        remedy = error.remedy or "put the good ones there"
        raise InputError(data, f"no photographs in it nor in train/{GOOD}", remedy=remedy) from error


def _unmasked(folder: Path) -> list[Path]:
    found = reading.find(folder)
    if among := masks.beside(found):
        one = next(iter(among.values())).name
        what = f"{len(among)} masks among the photographs, such as {one}"
        raise InputError(folder, what, expected="good photographs alone", remedy="move masks and defective plates away")
    return found


def test(data: Path) -> list[Sample]:
    """The labelled photographs of DATA/test: good ones first, then the defect folders by name.

    A photograph's mask lies in DATA/ground_truth/<defect>, or beside it with a name that says so (`007_label.bmp`).
    Raises InputError when DATA/test or DATA/test/good is missing or empty, or there is no defect folder, and for a tree
    of another layout, with the command that changes it.
    """
    folder = layouts.subfolder(data, *layouts.TEST)
    if (other := layouts.other_layout(data)) is not None:
        raise other
    if folder is None:
        layout = f"test/{GOOD} and test/<defect>"
        raise InputError(data, "no labelled test folder", expected=layout, remedy="make these folders")
    truth = _truth(data, folder)
    good, defects = layouts.good_folder(folder), layouts.defect_folders(folder, truth)
    if good is None:
        names = ", ".join(each.name for each in defects) or "no folders"
        raise InputError(folder, f"has {names}", expected=f"good plates in {GOOD}/", remedy="add them")
    if not defects:
        raise InputError(
            folder, f"has only {good.name}/", expected="one folder for each defect beside it", remedy="add them"
        )
    return [
        sample
        for each, defect in ((good, GOOD), *((each, each.name) for each in defects))
        for sample in samples(each, defect, truth)
    ]


def unused_masks(data: Path, samples: Sequence[Sample]) -> list[Path]:
    """The files below DATA/ground_truth that are the mask of no photograph, sorted; hidden files are left out."""
    truth = _truth(data, layouts.subfolder(data, *layouts.TEST))
    used = {sample.mask for sample in samples if sample.mask}
    return [
        path
        for path in files_of(truth)
        if not (path in used or (path.parent in used and path.suffix.lower() in formats.SUFFIXES))
    ]


def _truth(data: Path, tested: Path | None) -> Path | None:
    """The folder of masks: in DATA, or in DATA/test beside the folders of photographs."""
    return layouts.subfolder(data, *layouts.TRUTH) or (layouts.subfolder(tested, *layouts.TRUTH) if tested else None)


def samples(folder: Path, defect: str, truth: Path | None) -> list[Sample]:
    """The photographs of a folder with the label `defect`, each with its mask in `truth` or beside it."""
    found = reading.find(folder)
    near = masks.beside(found)
    photographs = [path for path in found if path not in near.values()]
    far = _masks(photographs, folder, defect, truth)
    return [Sample(path, defect, far.get(path) or near.get(path)) for path in photographs]


def _masks(photographs: Sequence[Path], folder: Path, defect: str, truth: Path | None) -> dict[Path, Path]:
    """The mask of each photograph in ground_truth/<defect>; a folder of the photograph's name may hold several.

    Without that folder, masks may lie in ground_truth itself, if no other folder has a photograph of the same name.
    """
    if truth is None:
        return {}
    own = layouts.good_folder(truth) if defect == GOOD else layouts.subfolder(truth, folder.name)
    stems = {path.stem.casefold() for path in photographs}
    if own is None:
        others = (path for each in layouts.subfolders(folder.parent) if each != folder for path in files_of(each))
        stems -= {path.stem.casefold() for path in others}
    masks_of: dict[str, Path] = {}
    for mask in sorted(layouts.entries(own or truth), key=_preference):
        if (mask.is_dir() and own) or mask.suffix.lower() in formats.SUFFIXES:
            name = mask.stem.casefold()
            masks_of.setdefault(name if name in stems else masks.photograph_of(mask.stem), mask)
    return {
        path: masks_of[path.stem.casefold()] for path in photographs if path.stem.casefold() in masks_of.keys() & stems
    }


def _preference(mask: Path) -> tuple[bool, bool, str]:
    """Of several masks of one photograph, `_mask.png` comes first, then PNG."""
    return not mask.stem.casefold().endswith("_mask"), mask.suffix.lower() != ".png", mask.name


def files_of(folder: Path | None) -> Iterator[Path]:
    """All files below a folder, sorted, without hidden ones."""
    for path in layouts.entries(folder) if folder else ():
        yield from files_of(path) if path.is_dir() else (path,)
