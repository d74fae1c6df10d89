"""Repeats: photographs with bytes that came before, counted, and those in a row that mean a frozen camera."""

LIMIT = 3
"""So many repeats in a row are a problem: noise makes every photograph of a working camera another one."""


class Repeats:
    """Counts the repeats of one folder; for one thread."""

    def __init__(self) -> None:
        self.count = 0
        """Photographs that came again under the same name, and were not judged again."""
        self.in_a_row = 0
        """Photographs in a row that repeat one of before: the same name and bytes, or the bytes of the one before."""
        self._last: str | None = None

    def add(self, sha256: str | None, *, is_again: bool) -> None:
        """A photograph came; `is_again`: its name had these bytes before. `sha256` None: it could not be read."""
        self.count += is_again
        repeats = is_again or (sha256 is not None and sha256 == self._last)
        self.in_a_row = self.in_a_row + 1 if repeats else 0
        self._last = sha256

    @property
    def is_worth_a_line(self) -> bool:
        """Whether a person should be told of the newest one: of the first ones, then ever more rarely."""
        return self.count < 10 or (self.count < 100 and self.count % 10 == 0) or self.count % 100 == 0
