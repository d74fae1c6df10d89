"""The exceptions, by who can fix the problem; each has the fields where, what, expected and remedy.

    PlatewatchError
    ├── InputError           a photograph, folder or option that cannot be used
    │   └── UnknownPartType      a name that no part type has
    ├── OutputError          a result that cannot be written: disk full, folder read-only
    ├── CalibrationError     scores of good plates that allow no limits
    ├── ModelError           a model folder that is damaged, incomplete, altered or too new
    │   └── NoModel              a station that has no model yet
    ├── RecordError          a record that cannot be opened, read or written
    │   ├── NotFound             an entry or review that does not exist
    │   └── RecordUnavailable    locked, full or not reachable now; the same call may succeed later
    ├── StorageUnavailable   a disk that is full, a store that does not answer; the same call may succeed later
    └── RuntimeUnavailable   a package that is not installed, with the command that installs it

`str(error)` is `line` of the fields; no code parses it. What cannot be printed in them is replaced (printable.py).
"""

from platewatch.printable import printable


def line(where: str, what: str, expected: str, remedy: str) -> str:
    """The message in one line, `where: what, expected …; remedy`, without empty parts."""
    problem = ", ".join(part for part in (what, expected and f"expected {expected}") if part)
    text = f"{where}: {problem}" if where else problem
    return " ".join(f"{text}; {remedy}".split()) if remedy else " ".join(text.split())


class PlatewatchError(Exception):
    """Base class of all errors that Platewatch raises."""

    def __init__(self, where: object, what: object = "", *, expected: str = "", remedy: str = "") -> None:
        """`where`: a file, folder, option or part, or empty. `what`: the problem. Empty parts are left out."""
        parts = (printable(str(part), also="\n\t") for part in (where, what, expected, remedy))
        self.where, self.what, self.expected, self.remedy = parts
        super().__init__(line(self.where, self.what, self.expected, self.remedy))

    @property
    def reason(self) -> str:
        """The message without `where`, for lists that show `where` separately."""
        return line("", self.what, self.expected, self.remedy)


class InputError(PlatewatchError):
    """A photograph, folder or option cannot be used."""


class UnknownPartType(InputError):  # noqa: N818 - says what is wrong
    """No part type has this name; the error names the known ones."""


class OutputError(PlatewatchError):
    """A result cannot be written."""


class CalibrationError(PlatewatchError):
    """The good plates' scores allow no limits."""


class ModelError(PlatewatchError):
    """A model folder is damaged, incomplete, altered or too new."""


class NoModel(ModelError):  # noqa: N818 - says what is missing
    """The station has no model yet, so it judges nothing."""


class RecordError(PlatewatchError):
    """The record cannot be opened, read or written."""


class NotFound(RecordError):  # noqa: N818 - the usual name
    """An entry or review does not exist in the record."""


class RecordUnavailable(RecordError):  # noqa: N818 - as RuntimeUnavailable
    """The record is locked, its disk full or its server not reachable; the same call may succeed later."""


class StorageUnavailable(PlatewatchError):  # noqa: N818 - as RecordUnavailable
    """A disk is full, or a disk or store does not answer; the same call may succeed later."""


class RuntimeUnavailable(PlatewatchError):  # noqa: N818 - a public name
    """A required package is not installed."""
