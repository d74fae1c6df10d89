"""Groups of photographs as a person tells them: photographs of one part, place, batch or day, which are alike.

A rule is a regular expression on the file name, `runs:8` (by the number in the name), or a CSV file with the columns
file and group.
"""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platewatch.errors import InputError

OPTION = "--group"
_RUNS = re.compile(r"runs:(\d{1,6})(?::(\d{1,9}))?")
_NUMBER = re.compile(r"\d+")
_LONGEST = 200  # characters of a group's name


@dataclass(frozen=True)
class Grouping:
    """A rule, and the group that it gives to a file name."""

    rule: str
    """As it was told; of a CSV file its name alone, because the folder says nothing to others."""
    of: Callable[[str], str | None]
    """The group of a photograph's file name, or None where the rule gives none."""
    listed: bool = False
    """Whether the groups come from a CSV file, so that other photographs than these have none."""

    def names(self, paths: Sequence[Path]) -> tuple[str, ...]:
        """The group of each photograph; raises InputError when one has none or a name that is too long."""
        found = [self.of(path.name) for path in paths]
        missing = [path.name for path, group in zip(paths, found, strict=True) if not group]
        if missing:
            remedy = "add them to it" if self.listed else "give one that matches every name, or a CSV file (file,group)"
            what = f"no group for {len(missing)} of {len(paths)} photographs, such as {missing[0]}"
            raise InputError(f"{OPTION} {self.rule}", what, remedy=remedy)
        groups = tuple(group for group in found if group)
        if long := [group for group in groups if len(group) > _LONGEST]:
            what = f"a group's name of {len(long[0])} characters"
            raise InputError(f"{OPTION} {self.rule}", what, expected=f"at most {_LONGEST}", remedy="shorten it")
        return groups


def parse(rule: str) -> Grouping:
    """The Grouping that a rule tells; raises InputError for a file or pattern that cannot be used."""
    if runs := _RUNS.fullmatch(rule):
        return _by_runs(rule, int(runs[1]), int(runs[2] or 0))
    if rule.lower().endswith(".csv"):
        return _by_csv(Path(rule))
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise InputError(
            f"{OPTION} {rule}", f"no regular expression ({error})", remedy="see docs/cli.md for examples"
        ) from error

    def of(name: str) -> str | None:
        match = pattern.search(name)
        return match and (match[1] if pattern.groups else match[0])

    return Grouping(rule, of)


def again(rule: str) -> Grouping | None:
    """The Grouping of a rule from a manifest, for other photographs; None for no rule and for a CSV file."""
    return parse(rule) if rule and not rule.lower().endswith(".csv") else None


def _by_runs(rule: str, length: int, first: int) -> Grouping:
    if length < 2:
        raise InputError(f"{OPTION} {rule}", "runs of fewer than 2 photographs", expected="runs:8 for 000 to 007, …")

    def of(name: str) -> str | None:
        numbers = _NUMBER.findall(Path(name).stem)
        if not numbers or int(numbers[-1]) < first:
            return None
        start = first + (int(numbers[-1]) - first) // length * length
        return f"{Path(name).stem.rpartition(numbers[-1])[0]}{start} to {start + length - 1}"

    return Grouping(rule, of)


def _by_csv(path: Path) -> Grouping:
    where, remedy = f"{OPTION} {path}", "write the columns file and group, one line for each photograph"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(where, f"cannot be read ({why})", remedy=remedy) from error
    lines = text.splitlines()
    separator = ";" if lines and ";" in lines[0] else ","
    rows = csv.DictReader(lines, delimiter=separator, skipinitialspace=True)
    if not {"file", "group"} <= set(rows.fieldnames or ()):
        raise InputError(
            where, f"its first line is {lines[0] if lines else ''!r}", expected="file,group", remedy=remedy
        )
    groups: dict[str, str] = {}
    for row in rows:
        name, group = Path(row["file"] or "").name, (row["group"] or "").strip()
        if groups.setdefault(name, group) != group:
            raise InputError(where, f"{name} is in the groups {groups[name]} and {group}", remedy="keep one of them")
    return Grouping(path.name, groups.get, listed=True)
