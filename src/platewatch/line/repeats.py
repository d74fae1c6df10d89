"""Repeats: counts photographs with the same bytes as earlier ones; several in a row mean a frozen camera."""

LIMIT = 3
"""This many repeats in a row are a problem: because of noise, no two photographs of a working camera are equal."""


class Repeats:
    """Counts the repeats of one folder; for one thread."""

    def __init__(self) -> None:
        self.count = 0
        """Number of photographs that came again under the same name and were not judged again."""
        self.in_a_row = 0
        """Consecutive photographs with name and bytes of an earlier one, or with the bytes of the previous one."""
        self._last: str | None = None

    def add(self, sha256: str | None, *, is_again: bool) -> None:
        """Count a photograph; `is_again`: its name had these bytes before. `sha256` is None when it is not readable."""
        self.count += is_again
        repeats = is_again or (sha256 is not None and sha256 == self._last)
        self.in_a_row = self.in_a_row + 1 if repeats else 0
        self._last = sha256

    @property
    def is_worth_a_line(self) -> bool:
        """Whether to report the newest repeat: the first ones, then at growing intervals."""
        return self.count < 10 or (self.count < 100 and self.count % 10 == 0) or self.count % 100 == 0
