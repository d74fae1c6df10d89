"""What can go wrong, by whose hand it is mended.

    PlatewatchError
    ├── InputError           a photograph, folder or option that cannot be used
    ├── OutputError          a result that cannot be written: disk full, folder read-only
    ├── CalibrationError     good plates from which no threshold can be drawn
    ├── ModelError           a model folder that is damaged, incomplete, altered or too new
    ├── RecordError          a record that cannot be opened, read or written
    │   ├── NotFound             no such entry or review in it
    │   └── RecordUnavailable    locked, full or out of reach for now: the same again later may succeed
    └── RuntimeUnavailable   a part that is not installed here, with the command that installs it

Every message is one line: what, where, what was expected, what to do next.
"""


class PlatewatchError(Exception):
    """Anything that Platewatch reports on purpose."""


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
