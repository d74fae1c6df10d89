"""The type of progress callbacks, and the callback that does nothing."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of steps done and the total."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """A callback that does nothing."""
