"""Layouts of data-set folders: folders by their usual names, and trees of VisA, KolektorSDD and anomalib recognised."""

import shlex
from pathlib import Path

from platewatch.errors import InputError
from platewatch.photographs import formats, masks

GOOD = ("good", "ok", "normal", "nominal")
TEST = ("test", "test_public")
TRUTH = ("ground_truth", "ground-truth", "groundtruth", "gt", "masks", "mask", "labels", "label")
"""Names of folders, in lower case; capitals do not matter. TRUTH holds the masks."""
VISA, KOLEKTOR, UNDIVIDED = "VisA", "KolektorSDD", "good and defective plates"


def entries(folder: Path) -> list[Path]:
    """Files and folders directly inside `folder`, sorted, without hidden ones; raises InputError."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(folder, f"cannot be opened ({error.strerror})", remedy="check its permissions") from error


def photographs(folder: Path) -> list[Path]:
    """The files directly inside `folder` with the suffix of a photograph; empty for what is no folder."""
    found = entries(folder) if folder.is_dir() else []
    return [entry for entry in found if entry.suffix.lower() in formats.SUFFIXES and entry.is_file()]


def subfolders(folder: Path) -> list[Path]:
    """The folders directly inside `folder`, sorted; empty for what is no folder."""
    return [entry for entry in entries(folder) if entry.is_dir()] if folder.is_dir() else []


def subfolder(folder: Path, *names: str) -> Path | None:
    """The folder inside `folder` that has one of these names in any case; InputError when several have."""
    found = [entry for entry in subfolders(folder) if entry.name.casefold() in {name.casefold() for name in names}]
    if len(found) > 1:
        what = f"has {', '.join(entry.name for entry in found)}"
        raise InputError(folder, what, expected="one of them", remedy="put their photographs into one folder")
    return found[0] if found else None


def good_folder(folder: Path) -> Path | None:
    """The folder of good plates inside `folder`: good, OK, Normal …"""
    return subfolder(folder, *GOOD)


def defect_folders(folder: Path, truth: Path | None = None) -> list[Path]:
    """The folders inside `folder` but those of good plates and of masks."""
    return [each for each in subfolders(folder) if each != truth and each.name.casefold() not in GOOD]


def visa_images(data: Path) -> Path | None:
    """The folder Data/Images of a class of VisA, which holds Normal and Anomaly."""
    inner = subfolder(data, "Data")
    images = subfolder(inner, "Images") if inner else None
    return images if images and good_folder(images) else None


def kolektor_folders(data: Path) -> list[Path]:
    """The folders inside `data` in which masks lie beside their photographs, as in KolektorSDD and KolektorSDD2."""
    return [each for each in subfolders(data) if masks.beside(photographs(each))]


def kind(data: Path) -> str | None:
    """VISA, KOLEKTOR or UNDIVIDED for a tree of that layout; None for any other."""
    if visa_images(data):
        return VISA
    if kolektor_folders(data):
        return KOLEKTOR
    divided = subfolder(data, "train") or subfolder(data, *TEST)
    good = None if divided else good_folder(data)
    return UNDIVIDED if good and photographs(good) and not photographs(data) else None


def other_layout(data: Path) -> InputError | None:
    """The error for a tree of another layout, with the command that changes it; None for any other folder."""
    found = kind(data)
    if found == UNDIVIDED and not defect_folders(data) and (good := good_folder(data)):
        what, command = f"photographs in {good.name}/ alone", shlex.join(("platewatch", "train", str(good)))
        return InputError(data, what, expected="train/good, test/good, test/<defect>", remedy=f"run {command}")
    if found:
        command = shlex.join(("platewatch", "arrange", str(data), f"{data}-arranged"))
        what = "the layout of " + found if found != UNDIVIDED else "good and defective plates, but no train and test"
        return InputError(data, what, expected="train/good, test/good, test/<defect>", remedy=f"run {command}")
    sets = [
        each for each in subfolders(data) if visa_images(each) or (subfolder(each, "train") and each.name != "test")
    ]
    if sets and not photographs(data) and not subfolder(data, "train"):
        names = f"{', '.join(each.name for each in sets[:5])}{' …' * (len(sets) > 5)}"
        return InputError(data, f"holds {len(sets)} data sets: {names}", expected="one", remedy=f"name {sets[0]}")
    return None
