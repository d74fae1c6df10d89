"""Renew the tables of the documents from what the benchmarks printed.

    python benchmarks/seeds.py DATA --seeds 0 1 2 --out runs/seeds > runs/seeds.md
    python benchmarks/measured.py runs

A table stands in README.md, docs/measured.md and docs/simulation.md between `<!-- NAME -->` and `<!-- /NAME -->`;
it is what `runs/FILE.md` holds, less the rows and columns that TABLES leaves out. Without its file it stays as it is.
"""

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import runs

DOCUMENTS = ("README.md", "docs/measured.md", "docs/simulation.md")

_PROMISE = ("expected false alarms", "the same, 95 % limit")
_TRAINING = "training with calibration, s"
_OF_ALPHA = ("the same at", "alpha, ")
_IN_SHORT = (
    "seed",
    "defective plates that PASS",
    "good plates REJECTed",
    "good plates to REVIEW",
    "image AUROC, both phases",
    "lowest defective ÷ highest good score",
    "image AUROC, surface",
    "image AUROC, Skip-GANomaly",
    "pixel AUROC, 256 px",
    "pixel AP, 256 px",
    "AUPRO to 30 %, 256 px",
    *_PROMISE,
)


@dataclass(frozen=True)
class Table:
    """What a document shows of one file of `runs`."""

    file: str
    keep: Callable[[str], bool] = bool
    """Whether a row stays, by its first cell."""
    last: int | None = None
    """How many of the last columns stay, beside the first; all of them unless told."""


def _without(*beginnings: str) -> Callable[[str], bool]:
    return lambda row: not row.startswith(beginnings)


TABLES = {
    "seeds": Table("seeds.md"),
    "seeds in short": Table("seeds.md", lambda row: row in _IN_SHORT, last=2),
    "twice the training": Table("twice.md", _without(*_OF_ALPHA, *_PROMISE, _TRAINING)),
    "27 good plates": Table("27.md", _without(*_OF_ALPHA, *_PROMISE)),
    "10 good plates": Table("10.md", _without(*_OF_ALPHA, *_PROMISE)),
    "grey": Table("grey.md", _without(*_OF_ALPHA, *_PROMISE)),
    "combination": Table("combination.md"),
    "ladder": Table("ladder.md"),
    "curves": Table("curves.md"),
    "simulation": Table("simulation.md"),
    "alpha": Table("alpha.md"),
    "peers": Table("peers.md"),
    "throughput": Table("throughput.md"),
    "startup": Table("startup.md"),
    "growth": Table("growth.md"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder with what each benchmark printed")
    asked = parser.parse_args()
    seeds = asked.runs / "seeds" / "seeds.json"
    if seeds.exists():
        (asked.runs / "alpha.md").write_text(alpha(seeds), encoding="utf-8")
    for path in map(Path, DOCUMENTS):
        text = path.read_text(encoding="utf-8")
        for name, table in TABLES.items():
            text = renew(text, name, table, asked.runs / table.file)
        path.write_text(text, encoding="utf-8")


def alpha(seeds: Path) -> str:
    """The author's table of the first model."""
    counted = json.loads(seeds.read_text(encoding="utf-8"))[0]
    images = counted["images"]
    head = ["alpha", "limit", "precision (good)", "recall (good)", "missed", "false alarms"]
    rows = [
        [
            f"{row['alpha']:.1f}",
            f"{row['threshold']:.4f}",
            *("–" if row[name] is None else f"{row[name]:.3f}" for name in ("precision_good", "recall_good")),
            f"{row['missed']} of {images['anomalous']}",
            f"{row['false_alarms']} of {images['normal']}",
        ]
        for row in counted["alpha_table"]
    ]
    return runs.markdown(head, rows) + "\n"


def renew(text: str, name: str, table: Table, file: Path) -> str:
    """`text` with `file` between the marks of `name`; as it is where there are none, or no file."""
    if not file.exists() or not file.stat().st_size:
        runs.say(f"{file}: not there, '{name}' stays as it is")
        return text
    shown = show(file.read_text(encoding="utf-8"), table)
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}{shown}\n{found[2]}", text)


def show(printed: str, table: Table) -> str:
    """What is printed, its tables less the rows and columns that are left out."""
    lines = []
    for line in printed.rstrip("\n").split("\n"):
        cells = line.strip("|").split("|")
        if not line.startswith("|"):
            lines.append(line)
        elif table.keep(cells[0].strip()) or set(line) <= set("|-"):
            lines.append("|" + "|".join([cells[0], *cells[1:][-(table.last or 0) :]]) + "|")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
