"""Retention policy: which photographs are stored, for how long, and the fraction of passing plates sent to review."""

from dataclasses import dataclass
from enum import StrEnum

from platewatch.errors import InputError


class Keep(StrEnum):
    """Plates whose photographs are stored."""

    ALL = "all"
    NOT_PASSED = "not-passed"
    """Plates that did not pass or are not readable, and passing plates sampled for review."""


@dataclass(frozen=True)
class Policy:
    """The retention policy. Rows, hashes and photographs of plates waiting for review are always kept."""

    keep: Keep = Keep.ALL
    days: float | None = None
    """Age in days, in the record's own time, after which photographs without a review are pruned; None: never."""
    gigabytes: float | None = None
    """Size in GB (1e9 bytes) above which the oldest photographs are pruned; None: no limit."""
    review_share: float = 0.02
    """Fraction of passing plates sent to review at random, to find misses; 0 to 1."""

    def __post_init__(self) -> None:
        for name in ("days", "gigabytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError("policy", f"{name} {value}", expected="more than 0", remedy="leave it out to keep all")
        if not 0 <= self.review_share <= 1:
            raise InputError("policy", f"review_share {self.review_share}", expected="0 to 1", remedy="0.02 is usual")
