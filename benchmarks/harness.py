"""The harness of all benchmarks: arguments from a signature, tables, and the result that `run.py renew` reads."""

import argparse
import inspect
import json
import shlex
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self

from matplotlib.figure import Figure

from platewatch.evaluation import bench
from platewatch.model import model_folder

RESULTS, DOCS = Path(__file__).with_name("results"), Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Table:
    """Rows of texts below a head; the first cell names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> Self:
        """A table from columns: for each head the format of a row's values, such as `{ms[median]:.0f}`."""
        return cls(list(columns), [[form.format_map(row) for form in columns.values()] for row in rows])

    def markdown(self) -> str:
        """The table in Markdown."""
        head, *rows = ("| " + " | ".join(row) + " |" for row in (self.head, *self.rows))
        return "\n".join([head, "|" + "---|" * len(self.head), *rows])


@dataclass(frozen=True)
class Found:
    """The result of a benchmark."""

    figures: Mapping[str, float | str] = field(default_factory=dict)  # by dotted names; those that are in no table
    tables: Mapping[str, Table] = field(default_factory=dict)  # by the suffix of the title in the mark: "", " killed"
    details: Any = None  # all that was measured; JSON
    picture: Figure | None = None
    wrong: Sequence[str] = ()  # failed checks; with any the command exits 1


def run(name: str, measure: Callable[..., Found], words: Sequence[str]) -> int:
    """Call `measure` with these arguments, write and print its result; 1 when a check failed, else 0."""
    parser = parser_of(name, measure)
    asked = vars(parser.parse_args(words))
    title, keep, out = asked.pop("title"), asked.pop("keep"), asked["out"]
    several = [(key.upper(), value if isinstance(value, list) else [value]) for key, value in asked.items()]
    paths = {str(path): key for key, values in several for path in values if isinstance(path, Path)}
    command = shlex.join(paths.get(word.rstrip("/"), word) for word in words)
    if "out" not in inspect.signature(measure).parameters:
        del asked["out"]
    found = measure(**asked)
    result = {
        "benchmark": title,
        "command": f"python benchmarks/run.py {name} {command}".strip(),
        "date": date.today().isoformat(),
        "version": model_folder.versions().get("platewatch", "unknown"),
        "machine": bench._machine(),
        "figures": found.figures,
        "tables": {f"{title}{suffix}": asdict(table) for suffix, table in found.tables.items()},
    }
    file = title.replace(" ", "-")
    for results, pictures in ((out, out), (RESULTS, DOCS))[: 1 + keep]:
        write_json(results / f"{file}.json", result)
        if found.picture is not None:
            found.picture.savefig(pictures / f"{file}.png", dpi=110)
    if found.details is not None:
        write_json(out / f"{file}-details.json", found.details)
    texts = [table.markdown() for table in found.tables.values()]
    texts += [f"{figure}: {value}" for figure, value in found.figures.items()]
    sys.stdout.write("\n\n".join([*texts, *(f"WRONG: {each}" for each in found.wrong)]) + "\n")
    return 1 if found.wrong else 0


def parser_of(name: str, measure: Callable[..., Found]) -> argparse.ArgumentParser:
    """The parser: parameters are arguments, those with a default options; the help is the module's docstring."""
    hints, text = typing.get_type_hints(measure), sys.modules[measure.__module__].__doc__
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(f"run.py {name}", description=text, formatter_class=formatter)
    for each in inspect.signature(measure).parameters.values():
        hint, option = hints[each.name], f"--{each.name.replace('_', '-')}"
        kinds = typing.get_args(hint) or (hint,)
        options: dict[str, Any] = {"type": kinds[0], "nargs": "+" if typing.get_origin(hint) is Sequence else None}
        if isinstance(kinds[0], str):
            options = {"choices": kinds}
        elif kinds[0] is bool:
            options = {"action": "store_true"}
        if each.default is not inspect.Parameter.empty:
            parser.add_argument(option, default=each.default, help=f"default: {each.default}", **options)
        elif each.name != "out":
            parser.add_argument(each.name, **options)
    parser.add_argument("--out", type=Path, default=Path("runs") / name, help="folder for result, picture and models")
    parser.add_argument("--title", default=name, help="name of the result and, in the documents, of its tables")
    parser.add_argument("--keep", action="store_true", help="result to benchmarks/results, picture to docs too")
    return parser


def write_json(path: Path, values: Any) -> None:
    """Write `values` as JSON; makes missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{text}\n")
