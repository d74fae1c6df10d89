"""A folder's name is the label; an error for any other folder states what was expected."""

import errno
from pathlib import Path

import pytest

from platewatch.errors import InputError
from platewatch.photographs import data_sets
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL


def lay_out(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def refused(call: object, *words: str) -> None:
    assert callable(call)
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []


def test_training_takes_train_good_alone(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/good/b.png", "train/good/a.png", "train/rust/c.png", "test/good/d.png", "e.png")
    assert data_sets.training(tmp_path) == [tmp_path / "train/good/a.png", tmp_path / "train/good/b.png"]


def test_training_takes_a_plain_folder_of_photographs(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.png", "b.jpg", "notes.txt")
    assert data_sets.training(tmp_path) == [tmp_path / "a.png", tmp_path / "b.jpg"]


def test_training_never_falls_back_onto_test_photographs(tmp_path: Path) -> None:
    lay_out(tmp_path, "test/good/a.png", "b.png")
    refused(lambda: data_sets.training(tmp_path), str(tmp_path / "train" / "good"), "no such folder")


def test_training_folders_that_hold_nothing(tmp_path: Path) -> None:
    refused(lambda: data_sets.training(tmp_path / "missing"), "missing: no such folder")
    refused(lambda: data_sets.training(lay_out(tmp_path, "file") / "file"), "is a file, expected a folder")
    (tmp_path / "empty").mkdir()
    refused(
        lambda: data_sets.training(tmp_path / "empty"), "no photographs in it nor in train/good", "put the good ones"
    )
    (tmp_path / "data" / "train" / "good").mkdir(parents=True)
    refused(lambda: data_sets.training(tmp_path / "data"), "train/good: no photographs")


def test_the_label_is_the_parent_folders_name_never_a_part_of_the_path(tmp_path: Path) -> None:
    root = lay_out(
        tmp_path / "good" / "anomalous", "test/good/rust.png", "test/goodness/good.png", "test/not good/good.png"
    )
    samples = data_sets.test(root)
    assert [(sample.defect, sample.label) for sample in samples] == [
        ("good", NORMAL),
        ("goodness", ANOMALOUS),
        ("not good", ANOMALOUS),
    ]


def test_good_ones_come_first_then_defects_by_name(tmp_path: Path) -> None:
    lay_out(tmp_path, "test/a/2.png", "test/a/1.png", "test/good/3.png", "test/z/4.png", "test/.hidden/5.png")
    assert [sample.path.stem for sample in data_sets.test(tmp_path)] == ["3", "1", "2", "4"]


def test_masks_are_found_beside_their_photographs(tmp_path: Path) -> None:
    lay_out(tmp_path, "test/good/0.png", "test/rust/0.jpg", "test/rust/1.png", "test/rust/2.png")
    lay_out(tmp_path, "ground_truth/rust/0_mask.png", "ground_truth/rust/1.png", "ground_truth/good/0_mask.png")
    truth = tmp_path / "ground_truth" / "rust"
    assert [sample.mask for sample in data_sets.test(tmp_path)] == [None, truth / "0_mask.png", truth / "1.png", None]


def test_test_folders_that_cannot_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(lambda: data_sets.test(tmp_path), "no labelled test folder", "test/good and test/<defect>")
    lay_out(tmp_path, "test/rust/0.png")
    refused(lambda: data_sets.test(tmp_path), "test: has rust", "expected good plates in good/", "add them")
    (tmp_path / "test" / "good").mkdir()
    refused(lambda: data_sets.test(tmp_path), "test/good: no photographs")
    lay_out(tmp_path / "only", "test/good/0.png")
    refused(lambda: data_sets.test(tmp_path / "only"), "has only good/", "one folder for each defect")

    def closed(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", closed)
    refused(lambda: data_sets.test(tmp_path), "cannot be opened (Permission denied)", "check its permissions")
