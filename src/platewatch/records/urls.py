"""URLs that may hold secrets: refused where a secret could be read as a place, and named without secrets."""

from urllib.parse import SplitResult

from platewatch.printable import printable

LONGEST = 400
"""Characters of a name."""
REMEDY = "write @ as %40, / as %2F, ? as %3F and # as %23 in it, or take the password from the environment"
"""Remedy in the error about an ambiguous URL."""


def is_ambiguous(url: str) -> bool:
    """Whether a password with @, /, ? or # in it may have been read as host, path or query.

    True for more than one @ before the path, and for any @ after it, which has to be written as %40.
    """
    rest = url.partition("://")[2] if "://" in url else url
    end = min((rest.find(mark) for mark in "/?#\\" if mark in rest), default=len(rest))
    return rest[:end].count("@") > 1 or "@" in rest[end:]


def name(parts: SplitResult) -> str:
    """The URL without login, query and fragment, printable; `parts` are not ambiguous."""
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")[:LONGEST]
