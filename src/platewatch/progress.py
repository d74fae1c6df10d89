"""How long work reports its progress."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of steps done and the total."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """The progress of work that nobody watches."""
