"""Figures in the documents are those of benchmarks/results; benchmarks/documents.py says how they are marked."""

import re
from pathlib import Path

import pytest

from benchmarks import documents

RESULTS = documents.results()
KEPT = ("README.md", "measured.md", "simulation.md")
"""Documents without a figure that comes from nowhere."""

_TABLE = re.compile(r"^<!-- (?!/)([^=]+?) -->\n.*?^<!-- /\1 -->$", re.DOTALL | re.MULTILINE)
_MARKED = re.compile(r"(?:[+−-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?: ?%)?)?<!--=.*?-->")
_CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", re.DOTALL)
_FIGURE = re.compile(r"(?<![\w.-])(?:(?:\d[\d,]*)?\.\d+(?: ?%)?|\d[\d,]* ?%)(?!\w|\.\d)")

GIVEN = {
    "3.12": "a Python",
    "3.13": "a Python",
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


@pytest.mark.parametrize("document", documents.DOCUMENTS, ids=lambda path: path.name)
def test_marked_tables_and_figures_are_those_of_the_results(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert documents.renew(text, RESULTS) == (text, []), "run: python benchmarks/run.py renew"


def test_no_table_is_shown_twice() -> None:
    shown = [name for document in documents.DOCUMENTS for name in _TABLE.findall(document.read_text(encoding="utf-8"))]
    assert sorted(set(shown)) == sorted(shown)


@pytest.mark.parametrize("name", KEPT)
def test_no_figure_comes_from_nowhere(name: str) -> None:
    """Every share and decimal in prose is marked or GIVEN; every table with such figures lies between marks."""
    document = next(path for path in documents.DOCUMENTS if path.name == name)
    unmarked = _MARKED.sub("", _TABLE.sub("", document.read_text(encoding="utf-8")))
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
