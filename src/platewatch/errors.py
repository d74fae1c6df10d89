"""What can go wrong, by who can fix it.

    PlatewatchError
    ├── InputError           a photograph, folder or option that cannot be used
    ├── OutputError          a result that cannot be written: disk full, folder read-only
    ├── CalibrationError     good plates from which no threshold can be drawn
    ├── ModelError           a model folder that is damaged, incomplete, altered or too new
    ├── RecordError          a record that cannot be opened, read or written
    │   ├── NotFound             no such entry or review in it
    │   └── RecordUnavailable    locked, full or out of reach for now: the same again later may succeed
    └── RuntimeUnavailable   a part that is not installed here, with the command that installs it

Every error carries `where`, `what`, `expected` and `remedy`; `str(error)` is `line` of them. Nobody parses that line.
"""


def line(where: str, what: str, expected: str, remedy: str) -> str:
    """The one line for a person: `where: what, expected …; remedy`, each part left out where it is empty."""
    told = ", ".join(part for part in (what, expected and f"expected {expected}") if part)
    text = f"{where}: {told}" if where else told
    return " ".join(f"{text}; {remedy}".split()) if remedy else " ".join(text.split())


class PlatewatchError(Exception):
    """Anything that Platewatch reports on purpose."""

    def __init__(self, where: object, what: object = "", *, expected: str = "", remedy: str = "") -> None:
        """`where`: a file, folder, option or part; empty when there is none. Empty parts are left out of the line."""
        self.where, self.what, self.expected, self.remedy = str(where), str(what), expected, remedy
        super().__init__(line(self.where, self.what, expected, remedy))

    @property
    def reason(self) -> str:
        """The line without its place, for lists that name the place beside it."""
        return line("", self.what, self.expected, self.remedy)


class InputError(PlatewatchError):
    """A photograph, folder or option cannot be used."""


class OutputError(PlatewatchError):
    """A result cannot be written."""


class CalibrationError(PlatewatchError):
    """The good plates' scores do not allow a threshold."""


class ModelError(PlatewatchError):
    """A model folder is damaged, incomplete, altered or too new."""


class RecordError(PlatewatchError):
    """The record cannot be opened, read or written."""


class NotFound(RecordError):  # noqa: N818 - reads as what it says
    """There is no such entry or review in the record."""


class RecordUnavailable(RecordError):  # noqa: N818 - as RuntimeUnavailable
    """The record is locked, its disk full or its server out of reach; the same again later may succeed."""


class RuntimeUnavailable(PlatewatchError):  # noqa: N818 - the house has named it
    """A part that is needed is not installed."""
