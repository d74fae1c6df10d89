"""Files and folders that are not read as photographs: counted and named, so that none is left out silently."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from platewatch import printable
from platewatch.photographs.formats import SUFFIXES

_NAMED = 5  # suffixes and folders that the line names
_NO_FILE = "with such a suffix, but no file"


@dataclass(frozen=True)
class LeftAlone:
    """Files and folders that are ignored, without hidden ones."""

    files: tuple[str, ...] = ()
    """Names of files with another suffix than a photograph's."""
    folders: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Names with a photograph's suffix that are no file: pipes, devices, sockets, links that lead nowhere."""

    def line(self, folder: Path, remedy: str = "") -> str:
        """One line for people, `FOLDER: 28 files and 1 folder left alone …`; empty when there are none."""
        counts = [_count(len(self.files) + len(self.others), "file"), _count(len(self.folders), "folder")]
        found = " and ".join(each for each in counts if each)
        if not found:
            return ""
        suffixes = Counter(_suffix(name) or "no suffix" for name in self.files)
        named = [f"{count} {suffix}" for suffix, count in suffixes.most_common(_NAMED)]
        named += [f"{len(self.others)} {_NO_FILE}"] if self.others else []
        named += [f"{name}/" for name in self.folders[:_NAMED]]
        more = len(suffixes) > _NAMED or len(self.folders) > _NAMED
        what = f"{', '.join(named)}{' …' if more else ''}"
        return printable.line(f"{folder}: {found} left alone ({what}); photographs end in {' '.join(SUFFIXES)}{remedy}")

    def kinds(self) -> set[str]:
        """The suffixes of the files, the names of the folders, and whether there are others."""
        found = {_suffix(name) for name in self.files} | {f"{name}/" for name in self.folders}
        return found | ({_NO_FILE} if self.others else set())


def in_folder(folder: Path) -> LeftAlone:
    """What lies directly in the folder besides photographs; nothing when it cannot be opened.

    Without `others`: whoever reads the folder names each of them as not readable.
    """
    try:
        with os.scandir(folder) as entries:
            return replace(among(entries), others=())
    except OSError:
        return LeftAlone()


def among(entries: Iterable["os.DirEntry[str]"]) -> LeftAlone:
    """Those of a folder's entries that are no photographs."""
    files, folders, others = list[str](), list[str](), list[str]()
    for entry in entries:
        if is_hidden(entry.name):
            continue
        if _leads_to(entry.is_dir):
            folders.append(entry.name)
        elif not is_photograph(entry.name):
            files.append(entry.name)
        elif not _leads_to(entry.is_file):
            others.append(entry.name)
    return LeftAlone(tuple(sorted(files)), tuple(sorted(folders)), tuple(sorted(others)))


def _leads_to(kind: Callable[[], bool]) -> bool:
    """Whether the entry is of this kind; a link that leads to itself, or that may not be followed, is of none."""
    try:
        return kind()
    except OSError:
        return False


def is_photograph(name: str) -> bool:
    """Whether a file of this name is taken for a photograph: by its suffix, and not hidden."""
    return not is_hidden(name) and _suffix(name) in SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden."""
    return name.startswith(".")


def _suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    return (dot + suffix).lower() if dot else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""
