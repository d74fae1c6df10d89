"""Groups of good plates: told by name, run or file; joined with near duplicates; suggested where pictures confirm."""

from pathlib import Path

import numpy as np
import pytest

from platewatch.arrays import Photos
from platewatch.errors import InputError
from platewatch.learning import groups
from platewatch.learning.groups import Told
from platewatch.photographs import grouping

RUNS = [Path(f"{number:03}.png") for number in range(32)]


def alike_in_runs(length: int, weight: float) -> Photos:
    """32 pictures: `weight` of each is shared by its run, the rest is its own."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(0, 30, (32, 8, 8, 3)), rng.normal(0, 30, (32, 8, 8, 3))
    mixed = np.sqrt(weight) * shared[np.arange(32) // length] + np.sqrt(1 - weight) * own
    small: Photos = np.clip(128 + mixed, 0, 255).astype(np.uint8)
    return small.repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize(
    ("rule", "name", "group"),
    [
        (r"kos(\d+)_", "kos07_Part3.png", "07"),
        (r"\d{4}-\d\d-\d\d", "cam2 2021-03-05 17.png", "2021-03-05"),
        ("runs:8", "015.png", "8 to 15"),
        ("runs:8:1", "cell0017.png", "cell17 to 24"),
    ],
)
def test_a_rule_gives_the_group_of_a_name(rule: str, name: str, group: str) -> None:
    told = grouping.parse(rule)
    assert (told.rule, told.names([Path("folder") / name])) == (rule, (group,))
    again = grouping.again(rule)
    assert again is not None
    assert again.of(name) == group


@pytest.mark.parametrize("text", ["file,group\n1.png,a\nx/2.png, b\n", "\ufeffgroup;file\na;1.png\nb;2.png\n"])
def test_a_file_gives_the_groups_that_it_lists(tmp_path: Path, text: str) -> None:
    (tmp_path / "days.csv").write_text(text, encoding="utf-8")
    told = grouping.parse(str(tmp_path / "days.csv"))
    assert (told.rule, told.names([Path("1.png"), Path("2.png")])) == ("days.csv", ("a", "b"))
    with pytest.raises(InputError, match=r"days\.csv: no group for 1 of 2 photographs, such as 3\.png; add them to it"):
        told.names([Path("1.png"), Path("3.png")])
    assert grouping.again(told.rule) is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("(", r"--group \(: no regular expression \(.*\); see docs/cli\.md"),
        (
            "cam(x*)",
            r"--group cam\(x\*\): no group for 1 of 1 photographs, such as 1\.png; give one that matches every",
        ),
        ("runs:1", r"--group runs:1: runs of fewer than 2 photographs, expected runs:8"),
        ("missing.csv", r"--group missing\.csv: cannot be read \(No such file or directory\); write the columns file"),
        ("two.csv", r"--group .*two\.csv: 1\.png is in the groups a and b; keep one of them"),
        ("head.csv", r"--group .*head\.csv: its first line is 'name,day', expected file,group; write the columns"),
        (r"(\d+a*)", r"--group .*: a group's name of 201 characters, expected at most 200; shorten it"),
    ],
)
def test_a_rule_that_cannot_be_used_is_one_line_with_what_to_do(tmp_path: Path, rule: str, words: str) -> None:
    (tmp_path / "two.csv").write_text("file,group\n1.png,a\n1.png,b\n")
    (tmp_path / "head.csv").write_text("name,day\n")
    given = str(tmp_path / rule) if (tmp_path / rule).is_file() else rule
    with pytest.raises(InputError, match=words) as caught:
        grouping.parse(given).names([Path("1" + "a" * 200 if "a*" in rule else "1.png")])
    assert "\n" not in str(caught.value)


def test_groups_join_pairs_that_meet() -> None:
    assert groups.join(6, [(0, 1), (2, 3), (1, 3)]) == (0, 0, 0, 0, 4, 5)
    assert groups.join(3, []) == (0, 1, 2)


def test_near_duplicates_join_the_groups_that_were_told() -> None:
    """Two plates that are one picture cannot be in two folds, whatever was told."""
    found = groups.of(RUNS[:6], [(1, 2)], Told("by hand", ("a", "a", "b", "b", "c", "d")))
    assert found.numbers == (0, 0, 0, 0, 4, 5)
    assert found.names == ("a = b",) * 4 + ("c", "d")
    assert (found.count, found.rule) == (3, "by hand")
    alone = groups.of(RUNS[:3], [(0, 2)], None)
    assert (alone.names, alone.rule) == (("000.png", "", "000.png"), "")


def test_too_few_groups_for_the_folds() -> None:
    found = groups.of(RUNS, [], Told("day", ("a", "b") * 16))
    with pytest.raises(InputError, match=r"--group day: 2 groups of 32 photographs, expected at least 3; add phot"):
        groups.check(found, 2)
    groups.check(groups.of(RUNS, [(0, 1)], None), 3)


def test_runs_that_the_pictures_confirm_are_suggested_with_the_option() -> None:
    words = groups.suggestion(RUNS, alike_in_runs(8, 0.6))
    assert words is not None
    assert "4 groups" in words
    assert "--group 'runs:8'" in words
    later = [Path(f"cell{number:04}.png") for number in range(1, 33)]
    assert "--group 'runs:8:1'" in str(groups.suggestion(later, alike_in_runs(8, 0.6)))


def test_plain_numbers_of_a_camera_suggest_nothing() -> None:
    """Neither unlike pictures, nor slowly drifting ones, where neighbours are alike without groups."""
    rng = np.random.default_rng(1)
    drifting = np.cumsum(rng.normal(0, 5, (32, 1, 1, 3)), axis=0) + rng.normal(128, 9, (32, 32, 32, 3))
    for pictures in (alike_in_runs(8, 0.0), np.clip(drifting, 0, 255).astype(np.uint8)):
        assert groups.suggestion(RUNS, pictures) is None


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        ([f"IMG_202103{day:02}_{shot}5233.jpg" for day in (1, 2, 3) for shot in range(4)], groups._DATE),
        ([f"part{part}-{shot}.png" for part in (1, 2, 3) for shot in range(3)], groups._PREFIX),
        ([f"part{part}-0.png" for part in range(9)], None),
        ([f"IMG_{number}.jpg" for number in range(9)], None),
        ([f"IMG_20210301_{number}.jpg" for number in range(9)], None),
        (["left_1.png", "left_2.png", "right_1.png", "right_2.png"], None),
    ],
)
def test_dates_and_prefixes_that_names_share_are_suggested(names: list[str], rule: str | None) -> None:
    words = groups.suggestion([Path(name) for name in names], np.zeros((len(names), 32, 32, 3), np.uint8))
    assert words is None if rule is None else f"--group '{rule}'" in str(words)
    if rule is not None:
        assert len(set(grouping.parse(rule).names([Path(name) for name in names]))) == 3
