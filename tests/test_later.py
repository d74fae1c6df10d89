"""`evaluate --later`: good plates photographed later, beside the bound that training stated."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from fake_inspector import PROMISE, fake, folder
from platewatch import cli
from platewatch.errors import InputError
from platewatch.evaluation import later, results, tables
from platewatch.evaluation.evaluator import evaluate
from platewatch.model.inspector import Inspector

PASS, REVIEW, REJECT = 10, 70, 120  # redness
SCHEMA = Path(results.__file__).parents[1] / "schemas" / "evaluation.json"


def good(root: Path, *redness: int) -> Path:
    return folder(root, redness, {}) / "test" / "good"


def grouped(rule: str) -> Inspector:
    """A fake whose bound counts 5 groups of its 30 plates."""
    made: Any = fake()
    made.manifest = SimpleNamespace(**vars(made.manifest) | {"grouping": rule, "promise": replace(PROMISE, groups=5)})
    inspector: Inspector = made
    return inspector


def test_it_counts_review_and_reject_with_intervals(tmp_path: Path) -> None:
    found = later.judge(fake(), good(tmp_path, PASS, PASS, REVIEW, REJECT, REJECT + 1))
    assert (found.plates, found.passed, found.review, found.reject) == (5, 2, 1, 2)
    values = found.as_dict()
    assert values["rejected"]["interval"] == pytest.approx([0.0527, 0.8534], abs=1e-4)
    assert (values["not_passed"]["count"], values["not_passed"]["of"], values["groups"]) == (3, 5, None)
    sheet = tables.later_sheet(found)
    assert sheet.rows[0][0] == "bound, while the line stays as it was"
    assert sheet.rows[0][3] == "up to 9.5\u00a0%"
    assert sheet.rows[1][1:4] == ("5", "2 (40.0\u00a0%)", "5.3 to 85.3\u00a0%")
    assert "does not contradict the bound" in tables.later_words(found)


def test_more_than_the_bound_allows_is_said_with_what_to_do(tmp_path: Path) -> None:
    found = later.judge(fake(), good(tmp_path, *[REJECT + each for each in range(8)]))
    assert found.beyond_bound
    assert "the line is not as it was" in tables.later_words(found)


def test_photographs_of_the_training_are_left_out(tmp_path: Path) -> None:
    """The fake gives every photograph one hash, so that all are known when one is."""
    inspector: Any = fake()
    inspector.manifest.calibration[0].__dict__["sha256"] = "0" * 64
    with pytest.raises(InputError, match="of 2 photographs 2 were trained on and 0 are not readable, expected photog"):
        later.judge(inspector, good(tmp_path, PASS, REJECT))


def test_a_damaged_photograph_costs_only_itself(tmp_path: Path) -> None:
    photographs = good(tmp_path, PASS)
    (photographs / "bad.png").write_text("no photograph")
    found = later.judge(fake(), photographs)
    assert (found.plates, len(found.failed)) == (1, 1)
    assert "not a photograph" in found.failed[0][1]


def test_a_bound_by_group_is_compared_by_group_where_the_rule_gives_them(tmp_path: Path) -> None:
    photographs = good(tmp_path, PASS, REJECT, REJECT + 1, PASS, REVIEW, PASS)
    by_runs = later.judge(grouped("runs:3"), photographs)
    assert by_runs.groups is not None
    assert (by_runs.groups.count, by_runs.groups.of) == (1, 2)
    assert tables.later_sheet(by_runs).rows[1][:2] == ("seen later, by group", "2 groups")
    by_file = later.judge(grouped("days.csv"), photographs)
    assert by_file.groups is None
    assert "The bound counts groups, what was seen counts plates" in tables.later_words(by_file)


def test_it_stands_in_json(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", (PASS, PASS), {"rust": (REJECT,)})
    found = replace(evaluate(fake(), data), later=later.judge(fake(), good(tmp_path / "later", PASS, REVIEW)))
    values = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert values["later"].keys() == schema["$defs"]["later"]["properties"].keys()
    assert values["promise"]["holds"] == "while the line stays as it was"
    assert (values["promise"]["groups"], values["promise"]["few_groups"]) == (30, False)
    assert evaluate(fake(), data).as_dict()["later"] is None


def test_the_command_prints_the_bound_beside_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.load", lambda *_, **__: fake())
    data = folder(tmp_path / "data", (PASS, PASS), {"rust": (REJECT,)})
    words = ["evaluate", "model", str(data), "--later", str(good(tmp_path / "later", PASS, REJECT))]
    result = CliRunner().invoke(cli.main, words, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "bound, while the line stays as it was" in result.stdout
    assert "1 (50.0" in result.stdout
