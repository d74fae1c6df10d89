"""Makes text printable: no lone surrogates, no control characters, no direction marks, no cells that compute."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Replaces every character that cannot be shown."""

LONGEST_NAME = 4096
"""Characters kept of a file's path, from its end: the longest path on Linux."""
LONGEST_LINE = 4000
"""Characters kept of a sentence."""
_BEFORE = " \t\r\n\v\f\u00a0\u200b\ufeff\"'"
_HARMLESS = re.compile(r"[+\-@%]?[\w .,:#/-]*")  # no call, no operator but a hyphen, no pipe, no sheet
_DEEPEST = 30  # levels kept of nested JSON values


def printable(text: str, *, also: str = "") -> str:
    """The text with UNKNOWN in place of what cannot be printed; characters in `also` stay. Applying it twice changes
    nothing more.

    Bytes of a file name that Python could not decode (PEP 383) are read as UTF-8. Every kind of space becomes a blank.
    """
    if text.isprintable():
        return text
    with suppress(UnicodeEncodeError):  # other lone surrogates: each is replaced below
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(each if each.isprintable() or each in also else _shown(each) for each in text)


def name(text: str) -> str:
    """A file's path or name, printable; a very long one is cut at its beginning."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST_NAME else f"…{shown[-LONGEST_NAME + 1 :]}"


def line(text: str) -> str:
    """A sentence, printable; a very long one is cut at its end."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST_LINE else f"{shown[: LONGEST_LINE - 1]}…"


def lines(text: str) -> str:
    """A person's note, printable; line breaks and tabs stay."""
    return printable(text.replace("\r\n", "\n"), also="\n\t")


def values(given: Any) -> Any:
    """JSON values with every text printable, keys included; values nested too deeply are left out."""
    return _values(given, _DEEPEST)


def _values(given: Any, levels: int) -> Any:
    if isinstance(given, str):
        return printable(given, also="\n\t")
    if isinstance(given, dict | list | tuple) and not levels:
        return UNKNOWN
    if isinstance(given, dict):
        return {
            printable(key) if isinstance(key, str) else key: _values(value, levels - 1) for key, value in given.items()
        }
    if isinstance(given, list | tuple):
        return [_values(value, levels - 1) for value in given]
    return given


def _shown(character: str) -> str:
    return " " if unicodedata.category(character) == "Zs" else UNKNOWN


def table_lines(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A table as lines of CSV; a text that a spreadsheet would compute gets an apostrophe in front."""
    line = io.StringIO()
    for row in chain([head], rows):
        csv.writer(line).writerow([cell(value) for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def cell(value: object, decimal: str = ".") -> object:
    """The value as a cell; a text that a spreadsheet would compute gets an apostrophe in front."""
    if isinstance(value, float) and decimal != ".":
        return repr(value).replace(".", decimal)
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula.

    Fullwidth signs count as the usual ones, and blanks, tabs and quotation marks in front count as nothing. Numbers and
    ids such as -0012, +49-7 or @line are none: they stay as they are.
    """
    plain = unicodedata.normalize("NFKC", text).lstrip(_BEFORE)
    return plain.startswith(("=", "+", "-", "@", "%")) and not _HARMLESS.fullmatch(plain)
