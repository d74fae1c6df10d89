"""What can go wrong, by whose hand it is mended.

    PlatewatchError
    ├── InputError           a photograph, folder or option that cannot be used
    ├── OutputError          a result that cannot be written: disk full, folder read-only
    ├── CalibrationError     good plates from which no threshold can be drawn
    ├── ModelError           a model folder that is damaged, incomplete, altered or too new
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


class RuntimeUnavailable(PlatewatchError):  # noqa: N818 - the house has named it
    """A part that is needed is not installed."""
