"""The type of progress callbacks."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of steps done and the total."""
