"""Writes the figures of benchmarks/results into README.md and docs/: tables between marks, numbers before a mark.

    <!-- seeds --> a table <!-- /seeds -->         the table "seeds" of some result
    8.5 %<!--=seeds:the_same_95_limit.worst-->     from seeds.json: a figure by its name, or a cell by row and column

The second number of a cell `mean (worst)` is `row.column.worst`. Names are lower case, with `_` for every other
character than letters and digits. A number keeps the decimals, the % and the leading 0 that it has in the document.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from benchmarks.harness import DOCS, RESULTS, Table, say

DOCUMENTS = (DOCS.with_name("README.md"), *sorted(DOCS.glob("*.md")))
_TABLE = re.compile(r"^<!-- (?!/)([^=]+?) -->\n(.*?)^<!-- /\1 -->$", re.DOTALL | re.MULTILINE)
_NUMBER = r"(?P<number>[+−-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+))(?P<percent> ?%)?(?P<of> of \d+)?"
_FIGURE = re.compile(rf"(?:{_NUMBER})?(?P<mark><!--=(?P<result>[a-z0-9-]+):(?P<name>[a-z0-9_.]+)-->)")


def results() -> dict[str, dict[str, Any]]:
    """The results in benchmarks/results, by file name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def renew_all() -> int:
    """Renew every document; 1 when a mark names a figure that no result has."""
    found, missing = results(), 0
    for path in DOCUMENTS:
        renewed, unknown = renew(path.read_text(encoding="utf-8"), found)
        path.write_text(renewed, encoding="utf-8")
        for name in unknown:
            say(f"{path}: {name}: in no result; stays as it is")
        missing += len(unknown)
    return int(missing > 0)


def renew(text: str, found: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[str]]:
    """The text with the results' tables and figures, and the marks that name no result or follow no number."""
    tables = {name: table for result in found.values() for name, table in result["tables"].items()}
    unknown: list[str] = []

    def table(shown: re.Match[str]) -> str:
        if shown[1] not in tables:
            unknown.append(shown[1])
            return shown[0]
        return f"<!-- {shown[1]} -->\n{Table(**tables[shown[1]]).markdown()}\n<!-- /{shown[1]} -->"

    def figure(shown: re.Match[str]) -> str:
        value = look_up(found.get(shown["result"], {}), shown["name"])
        if value is None or shown["number"] is None:
            unknown.append(f"{shown['result']}:{shown['name']}")
            return shown[0]
        return _like(shown, str(value)) + shown["mark"]

    return _FIGURE.sub(figure, _TABLE.sub(table, text)), unknown


def look_up(result: Mapping[str, Any], name: str) -> float | str | None:
    """The figure, or the cell of a table, of this name."""
    figures: Mapping[str, float | str] = result.get("figures", {})
    row, column, worst = [*name.split("."), "", ""][:3]
    for table in result.get("tables", {}).values():
        columns = [_named(each) for each in table["head"]]
        for cells in table["rows"] if column in columns else ():
            if _named(cells[0]) == row:
                mean, _, other = str(cells[columns.index(column)]).partition(" (")
                return other.rstrip(")") if worst else mean
    return figures.get(name)


def _named(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _like(shown: re.Match[str], value: str) -> str:
    """The value with the decimals and signs of the number shown."""
    parsed = re.fullmatch(_NUMBER, value)
    if parsed is None:
        return value
    number = float(parsed["number"].replace(",", "").replace("−", "-")) / (100 if parsed["percent"] else 1)
    digits, comma = len(shown["number"].partition(".")[2]), "," * ("," in shown["number"])
    text = f"{number * (100 if shown['percent'] else 1):{comma}.{digits}f}"
    text = text.removeprefix("0") if shown["number"].startswith(".") else text
    return text + (shown["percent"] or "") + (parsed["of"] or "") * bool(shown["of"])
