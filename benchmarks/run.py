"""Run a benchmark, or write the kept results into the documents.

python benchmarks/run.py                  list the benchmarks
python benchmarks/run.py NAME --help      what NAME measures, and its options
python benchmarks/run.py NAME ...         run it
python benchmarks/run.py renew            renew the marked tables and figures of README.md and docs/
"""

import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a script: import the modules as parts of the package `benchmarks`
    sys.path[:1] = [str(Path(__file__).resolve().parents[1] / each) for each in ("", "tests")]

from benchmarks import documents, harness

ENTRIES = {path.stem: path for path in sorted(Path(__file__).with_name("entries").glob("[!_]*.py"))}


def main(words: Sequence[str]) -> int:
    """The exit code: 0, 1 when a check failed, 2 for wrong arguments."""
    if not words or words[0] in {"-h", "--help"}:
        docs = {name: ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for name, path in ENTRIES.items()}
        lines = [f"  {name:<12}{text.partition(chr(10))[0]}\n" for name, text in docs.items()]
        sys.stdout.write(f"{__doc__}\n{''.join(lines)}")
    elif words[0] == "renew":
        return documents.renew_all()
    elif words[0] in ENTRIES:
        return harness.run(words[0], importlib.import_module(f"benchmarks.entries.{words[0]}").measure, words[1:])
    else:
        sys.stderr.write(f"{words[0]}: no such benchmark, expected renew or one of: {', '.join(ENTRIES)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
