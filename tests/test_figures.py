"""Figures in the documents are those of benchmarks/results: tables between marks, single figures before a mark.

    <!-- seeds --> a table <!-- /seeds -->          the table "seeds" of some result
    8.5 %<!--=seeds:the_same_95_limit.worst-->      from seeds.json: a figure by its name, or a cell by row and column

A cell `mean (worst)` has its second number under `row.column.worst`. Names are lower case, `_` for all but letters and
digits. A figure may be rounded; a text has to stand in front of its mark as it is.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "benchmarks/results").glob("*.json")
}
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
KEPT = ("README.md", "measured.md", "simulation.md")
"""Documents without a figure that comes from nowhere."""

_MARKED = re.compile(r"([^\n|(]*?)<!--=([a-z0-9-]+):([a-z0-9_.]+)-->")
_TABLE = re.compile(r"^<!-- (?!/)([^=]+?) -->\n(.*?)^<!-- /\1 -->$", re.DOTALL | re.MULTILINE)
_NUMBER = r"[+−-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
_CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", re.DOTALL)
_FIGURE = re.compile(r"(?<![\w.-])(?:(?:\d[\d,]*)?\.\d+(?: ?%)?|\d[\d,]* ?%)(?!\w|\.\d)")

GIVEN = {
    "97.5 %": "the quantile of the limit for PASS: a setting",
    "2.5 %": "the same from above",
    "95 %": "confidence",
    "100 %": "all",
    "10 %": "a setting, or a change that was tried",
    "5 %": "a rate that was asked for",
    "1 %": "a rate that was asked for",
    "2 %": "1 / (50 + 1), rounded",
    "1.8 %": "1 / (54 + 1)",
    "0.9": "an alpha",
    ".05": "a p-value that was asked about",
    ".1": "the same",
    ".25": "the same",
    ".5": "the same",
    "3.11": "a version of Python",
}
"""Figures that no benchmark measured, with what they are."""


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def named(text: str) -> str:
    """A row or column as its name in a mark."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def look_up(result: dict[str, Any], name: str) -> float | str | None:
    """The figure, or the cell of a table, of this name."""
    figures: dict[str, float | str] = result["figures"]
    if name in figures:
        return figures[name]
    row, column, worst = [*name.split("."), "", ""][:3]
    for table in result["tables"].values():
        columns = [named(each) for each in table["head"]]
        for cells in table["rows"]:
            if named(cells[0]) == row and column in columns:
                cell = str(cells[columns.index(column)])
                return cell.partition("(")[2].partition(")")[0] if worst else cell.partition(" (")[0]
    return None


def value_of(text: str) -> float | None:
    """The number that a text is, or begins with before "of", a share for one with %; None for words."""
    found = re.fullmatch(rf"({_NUMBER})( ?%)?(?: of .*)?", text.strip())
    if found is None:
        return None
    number = float(found[1].replace(",", "").replace("−", "-"))
    return number / 100 if found[2] else number


def agrees(before: str, value: float | str) -> bool:
    """Whether the text in front of a mark ends with this value, rounded as it is shown."""
    if isinstance(value, str) and before.endswith(value):
        return True
    number, shown = value_of(str(value)), re.search(rf"({_NUMBER})( ?%)?$", before)
    if number is None or shown is None:
        return False
    digits = len(shown[1].partition(".")[2]) + (2 if shown[2] else 0)
    seen = value_of(shown[0])
    return seen is not None and abs(seen - number) <= 0.5 * 10.0**-digits + 1e-9


def markdown(table: dict[str, Any]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (table["head"], *table["rows"])]
    return "\n".join([lines[0], "|" + "---|" * len(table["head"]), *lines[1:]]) + "\n"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_marked_figures_are_those_of_the_results(document: Path) -> None:
    wrong = []
    for before, result, name in _MARKED.findall(text_of(document)):
        value = look_up(RESULTS[result], name) if result in RESULTS else None
        if value is None or not agrees(before, value):
            wrong.append(f"{before[-30:]}: {result}:{name} is {value}")
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_marked_tables_are_those_of_the_results(document: Path) -> None:
    tables = {name: table for result in RESULTS.values() for name, table in result["tables"].items()}
    for name, shown in _TABLE.findall(text_of(document)):
        assert shown == markdown(tables[name]), f"{document.name}: {name}; renew it"


def test_no_table_is_shown_twice() -> None:
    shown = [name for document in DOCUMENTS for name, _ in _TABLE.findall(text_of(document))]
    assert sorted(set(shown)) == sorted(shown)


@pytest.mark.parametrize("name", KEPT)
def test_no_figure_comes_from_nowhere(name: str) -> None:
    """Every share and decimal in prose is marked or GIVEN; every table with such figures lies between marks."""
    document = next(path for path in DOCUMENTS if path.name == name)
    unmarked = re.sub(rf"{_NUMBER}(?: ?%)?<!--=.*?-->", "", _TABLE.sub("", text_of(document)))
    assert [each for each in _FIGURE.findall(_CODE.sub(" ", unmarked)) if each not in GIVEN] == []


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_result_says_how_it_came_about(name: str) -> None:
    result = RESULTS[name]
    assert result.keys() == {"benchmark", "command", "date", "version", "machine", "figures", "tables"}
    assert result["benchmark"].replace(" ", "-") == name
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
    assert result["command"]
    assert result["version"]
    assert result["machine"]
    assert all(isinstance(value, int | float | str) for value in result["figures"].values())


def test_a_figure_that_differs_is_noticed() -> None:
    assert agrees("at most 8.5 %", 0.0852)
    assert agrees("worst .9957", 0.9957)
    assert agrees("one of 1,000", "1,000")
    assert agrees("only 14 of 36", "14 of 36")
    assert not agrees("at most 8.6 %", 0.0852)
    assert not agrees("at most 8.5", 0.0852)
    assert agrees("only 14", "14 of 36")
    assert not agrees("only 15 of 36", "14 of 36")
    assert not agrees("no figure", 1)
