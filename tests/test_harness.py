"""The benchmarks' harness: arguments from a signature, results, and the documents that show them."""

import importlib
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from benchmarks import charts, documents, harness, run
from benchmarks.harness import Found, Table


def measure(
    model: Path,
    photos: Sequence[Path],
    *,
    out: Path,
    rounds: int = 2,
    quick: bool = False,
    sizes: Sequence[int] = (1, 2),
    runtime: Literal["a", "b"] = "a",
    limit: float | None = None,
) -> Found:
    """Takes one argument of every kind."""
    table = Table(["what", "mean"], [[str(type(limit)), f"{sum(sizes)} of {rounds}"], [runtime, str(len(photos))]])
    figures: dict[str, float | str] = {"given.model": str(model), "quick": int(quick)}
    picture = charts.lines({"one": [("a", [1, 2], [3, 4], "o-")]}, "x", "y", log=True)
    return Found(figures, {"": table, " in short": table}, {"out": str(out)}, picture, ["too slow"] if quick else [])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(harness, "DOCS", tmp_path / "results")


def ran(*words: str) -> int:
    return harness.run("fake", measure, words)


def test_parameters_become_arguments_and_defaults_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("/plant/model", "/plant/a", "/plant/b/", "--sizes", "3", "4", "--runtime", "b", "--limit", "1") == 0
    assert capsys.readouterr().out.startswith("| what | mean |\n|---|---|\n| <class 'float'> | 7 of 2 |\n| b | 2 |\n\n")
    for wrong in (["model"], ["model", "a", "--runtime", "c"], ["model", "a", "--rounds", "many"]):
        with pytest.raises(SystemExit) as ended:
            ran(*wrong)
        assert ended.value.code == 2


def test_a_result_says_how_it_came_about_and_names_no_path(tmp_path: Path) -> None:
    ran("/plant/model", "/plant/a", "/plant/b/", "--rounds", "3", "--title", "a fake one")
    text = (tmp_path / "runs/fake/a-fake-one.json").read_text(encoding="utf-8")
    result = json.loads(text)
    assert result.keys() == {"benchmark", "command", "date", "version", "machine", "figures", "tables"}
    assert result["command"] == "python benchmarks/run.py fake MODEL PHOTOS PHOTOS --rounds 3 --title 'a fake one'"
    assert result["machine"]["cores"] >= 1
    assert result["figures"] == {"given.model": "/plant/model", "quick": 0}
    assert result["tables"].keys() == {"a fake one", "a fake one in short"}
    assert json.loads((tmp_path / "runs/fake/a-fake-one-details.json").read_text()) == {"out": "runs/fake"}
    assert (tmp_path / "runs/fake/a-fake-one.png").stat().st_size > 5000
    assert not (tmp_path / "results").exists()


def test_a_result_is_kept_only_when_that_is_asked_for_and_what_is_wrong_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran("model", "a", "--quick", "--keep") == 1
    assert capsys.readouterr().out.endswith("\n\nWRONG: too slow\n")
    assert (tmp_path / "results/fake.json").read_text() == (tmp_path / "runs/fake/fake.json").read_text()
    assert (tmp_path / "results/fake.png").exists()


def test_every_entry_says_in_one_line_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in run.ENTRIES:
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert len(line.split()) > 5, name


@pytest.mark.parametrize("name", sorted(run.ENTRIES))
def test_every_entry_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main([name, "--help"])
    assert ended.value.code == 0
    assert "--keep" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["combination"]) == 2
    assert "seeds" in capsys.readouterr().err


RESULT = {
    "figures": {"rate": 0.0852, "plates": 20000, "word": "AMD", "excess": 2.44},
    "tables": {
        "seeds": {
            "head": ["seed", "0", "the worst"],
            "rows": [["missed, all", "1 of 36", "3.6%"], ["AUROC", "1.0000 (0.9957)", "2"]],
        }
    },
}


def renewed(text: str) -> str:
    changed, unknown = documents.renew(text, {"seeds": RESULT})
    assert unknown == []
    return changed


def test_a_table_stands_between_its_marks_and_nothing_else_moves() -> None:
    rows = "| missed, all | 1 of 36 | 3.6% |\n| AUROC | 1.0000 (0.9957) | 2 |"
    expected = f"before\n<!-- seeds -->\n| seed | 0 | the worst |\n|---|---|---|\n{rows}\n<!-- /seeds -->\nafter"
    assert renewed("before\n<!-- seeds -->\n| old |\n<!-- /seeds -->\nafter") == expected
    assert renewed("before\n<!-- seeds -->\n<!-- /seeds -->\nafter") == expected, "nothing yet"
    assert renewed(expected) == expected


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ("at most 7 %", "rate", "at most 9 %"),
        ("at most 7.0 %", "rate", "at most 8.5 %"),
        ("at most .07", "rate", "at most .09"),
        ("at most 0.070", "rate", "at most 0.085"),
        ("of 1,000", "plates", "of 20,000"),
        ("of 1000", "plates", "of 20000"),
        ("no excess above 1.0", "excess", "no excess above 2.4"),
        ("one: 2 of 36", "missed_all.0", "one: 1 of 36"),
        ("one: 2", "missed_all.0", "one: 1"),
        ("one: 2.0 %", "missed_all.the_worst", "one: 3.6 %"),
        ("mean .9", "auroc.0", "mean 1.0"),
        ("worst .9999", "auroc.0.worst", "worst .9957"),
    ],
)
def test_a_figure_keeps_the_form_in_which_it_is_shown(before: str, name: str, after: str) -> None:
    mark = f"<!--=seeds:{name}-->"
    assert renewed(f"{before}{mark} and on") == f"{after}{mark} and on"
    assert renewed(f"{after}{mark} and on") == f"{after}{mark} and on"


def test_what_no_result_holds_stays_and_is_named() -> None:
    text = "7 %<!--=seeds:none--> 8<!--=other:rate--> an <!--=seeds:word-->\n<!-- none -->\n| old |\n<!-- /none -->\n"
    assert documents.renew(text, {"seeds": RESULT}) == (text, ["none", "seeds:none", "other:rate", "seeds:word"])


def test_every_document_shows_what_the_results_hold() -> None:
    found = documents.results()
    for path in documents.DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        changed, unknown = documents.renew(text, found)
        if found:
            assert (changed, unknown) == (text, []), f"{path.name}; run: python benchmarks/run.py renew"


DOCUMENTED = [
    (path.name, *found)
    for path in sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
    if path.name != "log.md"
    for found in re.findall(r"(?m)^python benchmarks/(\S+\.py) ?(.*)$", path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("document", "file", "words"), DOCUMENTED)
def test_every_documented_command_is_one_of_the_harness(document: str, file: str, words: str) -> None:
    assert file == "run.py", document
    name, *rest = shlex.split(words)
    if name != "renew":
        measure = importlib.import_module(f"benchmarks.entries.{name}").measure
        harness.parser_of(name, measure).parse_args(rest)
