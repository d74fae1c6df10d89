"""ARCHITECTURE.md names places that exist and, for every invariant, tests that exist; and what no other test holds."""

import ast
import re
from pathlib import Path

import pytest

import stations
import test_imports

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
INVARIANTS = {
    int(number): text
    for number, text in re.findall(r"^(\d+)\. (\*\*.*?)(?=^\d+\. |^## )", TEXT, re.DOTALL | re.MULTILINE)
}
PLACES = sorted(set(re.findall(r"`([\w/]+\.py)(?::([\w.]+))?`", TEXT)))


def defined(file: Path) -> set[str]:
    """Functions, classes and methods of a file, these as Class.method."""
    found = set[str]()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_every_place_that_the_document_names_is_there(file: str, name: str) -> None:
    path = next(path for path in (ROOT / "src/platewatch" / file, ROOT / file) if path.exists())
    assert not name or name in defined(path)


def test_the_packages_are_those_of_the_import_rules() -> None:
    table = TEXT.partition("| package | holds |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()]
    assert rows == [line.split() for line in test_imports.PACKAGES.strip().splitlines()]


def test_the_invariants_are_numbered_one_by_one_and_each_names_a_test() -> None:
    assert list(INVARIANTS) == list(range(1, 14))
    for number, text in INVARIANTS.items():
        assert re.search(r"`tests/test_\w+\.py:test_\w+`", text), number


def test_every_invariant_that_is_cited_is_in_the_document() -> None:
    cited = set[int]()
    for path in (*ROOT.glob("tests/*.py"), *ROOT.glob("src/**/*.py")):
        for found in re.findall(r"[Ii]nvariants? (\d+(?:(?:, | and )\d+)*)", path.read_text(encoding="utf-8")):
            cited |= {int(number) for number in re.findall(r"\d+", found)}
    assert cited <= INVARIANTS.keys()


def test_reviews_loosen_nothing(tmp_path: Path) -> None:
    """Invariant 13: whatever people call parts, the model in service judges as before, by the same limits."""
    with stations.running(tmp_path) as line:
        rusty = line.post(125)
        before = line.client.get("/model").json()
        for judgement in ("good", "unsure", "good"):
            address = f"/inspections/{rusty['number']}/reviews"
            assert line.client.post(address, json={"judgement": judgement}).status_code == 201
        again = line.post(125)
        assert (again["verdict"], again["score"], again["threshold"]) == ("REJECT", rusty["score"], rusty["threshold"])
        assert line.client.get("/model").json() == before
        assert line.client.get(f"/inspections/{rusty['number']}").json()["verdict"] == "REJECT"
