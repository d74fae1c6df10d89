"""Which photographs are kept, for how long, and which good plates a person is shown all the same."""

from dataclasses import dataclass
from enum import StrEnum

from platewatch.errors import InputError


class Keep(StrEnum):
    """Whose photographs are stored at all."""

    ALL = "all"
    NOT_PASSED = "not-passed"
    """Those that did not pass, those that could not be read, and the sampled ones that a person is to look at."""


@dataclass(frozen=True)
class Policy:
    """What is kept. Rows and hashes are kept for ever, and so are photographs that still wait for a review."""

    keep: Keep = Keep.ALL
    days: float | None = None
    """Photographs older than this are pruned; None keeps them."""
    gigabytes: float | None = None
    """The oldest are pruned until the rest takes no more than this; None: no limit. 1 GB is 1e9 bytes."""
    review_share: float = 0.02
    """Share of the plates with PASS that join the review queue, so that misses are found; 0 to 1."""

    def __post_init__(self) -> None:
        for name in ("days", "gigabytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError("policy", f"{name} {value}", expected="more than 0", remedy="leave it out to keep all")
        if not 0 <= self.review_share <= 1:
            raise InputError("policy", f"review_share {self.review_share}", expected="0 to 1", remedy="0.02 is usual")
