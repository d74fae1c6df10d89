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


def test_folders_that_could_be_meant_are_named(tmp_path: Path) -> None:
    lay_out(tmp_path, "shifts/early/a.png", "shifts/late/b.png", "alone/OK/a.png")
    refused(lambda: data_sets.training(tmp_path / "shifts"), "it has the folders early, late: name one of them")
    refused(lambda: data_sets.training(tmp_path / "alone"), "photographs in OK/ alone", "platewatch train", "alone/OK")


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
    truth = tmp_path / "ground_truth"
    masks = [truth / "good" / "0_mask.png", truth / "rust" / "0_mask.png", truth / "rust" / "1.png", None]
    assert [sample.mask for sample in data_sets.test(tmp_path)] == masks


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


@pytest.mark.parametrize(
    "mask", ["0_mask.PNG", "0.bmp", "0_label.bmp", "0_LABEL.BMP", "0_gt.tif", "mask_0.png", "0-mask.webp", "0.jpg"]
)
def test_a_mask_is_found_whatever_its_suffix(tmp_path: Path, mask: str) -> None:
    lay_out(tmp_path, "test/good/0.png", "test/rust/0.JPG", f"ground_truth/Rust/{mask}")
    samples = data_sets.test(tmp_path)
    assert [sample.mask for sample in samples] == [None, tmp_path / "ground_truth" / "Rust" / mask]
    assert data_sets.unused_masks(tmp_path, samples) == []


def test_every_file_in_ground_truth_that_is_not_used_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path, "test/good/0.png", "test/rust/0.png", "ground_truth/rust/0_mask.png", "ground_truth/.DS_Store")
    unused = ("dent/0.png", "list.txt", "rust/0.png", "rust/1_mask.png", "rust/deep/0.png", "rust/notes.json")
    lay_out(tmp_path, *(f"ground_truth/{name}" for name in unused))
    found = data_sets.unused_masks(tmp_path, data_sets.test(tmp_path))
    assert found == [tmp_path / "ground_truth" / name for name in unused]


def test_masks_lie_in_one_folder_beside_photographs_or_several_in_a_folder(tmp_path: Path) -> None:
    lay_out(
        tmp_path / "one", "test/good/0.png", "test/rust/1.png", "test/dent/2.png", "Masks/1.png", "Masks/2_mask.png"
    )
    assert [each.mask and each.mask.name for each in data_sets.test(tmp_path / "one")] == [None, "2_mask.png", "1.png"]
    lay_out(tmp_path / "same", "test/good/0.png", "test/rust/1.png", "test/dent/1.png", "masks/1.png")
    samples = data_sets.test(tmp_path / "same")
    assert [each.mask for each in samples] == [None, None, None]
    assert data_sets.unused_masks(tmp_path / "same", samples) == [tmp_path / "same" / "masks" / "1.png"]
    lay_out(tmp_path / "near", "test/good/0.png", "test/rust/1.jpg", "test/rust/1_label.bmp")
    assert [each.mask and each.mask.name for each in data_sets.test(tmp_path / "near")] == [None, "1_label.bmp"]
    lay_out(
        tmp_path / "loco",
        "test/good/0.png",
        "test/rust/1.png",
        "ground_truth/rust/1/0.png",
        "ground_truth/rust/1/1.png",
    )
    samples = data_sets.test(tmp_path / "loco")
    assert [each.mask for each in samples] == [None, tmp_path / "loco" / "ground_truth" / "rust" / "1"]
    assert data_sets.unused_masks(tmp_path / "loco", samples) == []


@pytest.mark.parametrize(("good", "bad"), [("OK", "NG"), ("Good", "Bad"), ("normal", "anomaly"), ("ok", "ko")])
def test_good_plates_are_found_under_their_usual_names(tmp_path: Path, good: str, bad: str) -> None:
    lay_out(tmp_path, f"Train/{good}/0.png", f"Test/{good}/1.png", f"Test/{bad}/2.png", f"Ground_Truth/{bad}/2.png")
    assert data_sets.training(tmp_path) == [tmp_path / "Train" / good / "0.png"]
    found = data_sets.test(tmp_path)
    assert [(each.path.name, each.defect, each.label) for each in found] == [("1.png", "good", 0), ("2.png", bad, 1)]
    assert found[1].mask == tmp_path / "Ground_Truth" / bad / "2.png"


def test_two_folders_of_good_plates_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/good/0.png", "train/OK/1.png", "test/good/0.png", "test/Normal/1.png", "test/rust/2.png")
    refused(lambda: data_sets.training(tmp_path), "train: has OK, good", "put their photographs into one folder")
    refused(lambda: data_sets.test(tmp_path), "test: has Normal, good")


def test_photographs_in_train_itself_and_masks_among_them_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path / "flat", "train/0.png", "test/good/0.png", "test/rust/0.png")
    refused(lambda: data_sets.training(tmp_path / "flat"), "photographs, but no good/", "platewatch train")
    lay_out(tmp_path / "masked", "0.jpg", "0_label.bmp", "1.jpg")
    refused(lambda: data_sets.training(tmp_path / "masked"), "1 masks among the photographs, such as 0_label.bmp")


def test_a_folder_of_several_data_sets_names_them(tmp_path: Path) -> None:
    lay_out(tmp_path, "bottle/train/good/0.png", "cable/train/good/0.png")
    refused(lambda: data_sets.training(tmp_path), "holds 2 data sets: bottle, cable", f"name {tmp_path / 'bottle'}")
