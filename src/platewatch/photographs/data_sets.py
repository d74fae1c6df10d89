"""Data-set folders in the MVTec layout: train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png."""

from dataclasses import dataclass
from pathlib import Path

from platewatch.errors import InputError
from platewatch.photographs import reading

GOOD = "good"
NORMAL, ANOMALOUS = 0, 1


@dataclass(frozen=True)
class Sample:
    """One labelled photograph; `mask` is None for good plates and where there is no mask file."""

    path: Path
    defect: str
    mask: Path | None

    @property
    def label(self) -> int:
        """NORMAL 0 or ANOMALOUS 1, by the parent folder's name."""
        return NORMAL if self.defect == GOOD else ANOMALOUS


def training(data: Path) -> list[Path]:
    """The good photographs for training: those in DATA/train/good, or in DATA itself if it has no train/ or test/.

    Raises InputError when there are none.
    """
    good = data / "train" / GOOD
    if good.is_dir() or (data / "train").is_dir() or (data / "test").is_dir():
        return reading.find(good)
    if not data.is_dir():
        reading.find(data)  # raises: missing, a file or no permission
    try:
        return reading.find(data)
    except InputError as error:
        raise InputError(data, f"no photographs in it nor in train/{GOOD}", remedy="put the good ones there") from error


def test(data: Path) -> list[Sample]:
    """The labelled photographs of DATA/test: good ones first, then the defect folders by name.

    Raises InputError when DATA/test or DATA/test/good is missing or empty, or there is no defect folder.
    """
    folder = data / "test"
    if not folder.is_dir():
        layout = f"{folder.name}/{GOOD} and {folder.name}/<defect>"
        raise InputError(data, "no labelled test folder", expected=layout, remedy="make these folders")
    try:
        defects = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(folder, f"cannot be opened ({error.strerror})", remedy="check its permissions") from error
    if GOOD not in defects:
        raise InputError(
            folder, f"has {', '.join(defects) or 'no folders'}", expected=f"good plates in {GOOD}/", remedy="add them"
        )
    if len(defects) == 1:
        raise InputError(
            folder, f"has only {GOOD}/", expected="one folder for each defect beside it", remedy="add them"
        )
    defects.sort(key=lambda name: (name != GOOD, name))
    return [
        Sample(path, defect, _mask(data, defect, path)) for defect in defects for path in reading.find(folder / defect)
    ]


def _mask(data: Path, defect: str, path: Path) -> Path | None:
    folder = data / "ground_truth" / defect
    candidates = (folder / f"{path.stem}_mask.png", folder / f"{path.stem}.png")
    return next((mask for mask in candidates if defect != GOOD and mask.is_file()), None)
