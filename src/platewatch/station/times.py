"""Times in a request: ISO 8601. A number alone is refused, as `2026` would be a second of the year 1970."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

EXAMPLE = "a time such as 2026-11-24T06:00:00+01:00 (+ is %2B in an address)"


class NumberError(ValueError):
    """A number stands where a time is expected."""


def is_number(text: str) -> bool:
    """Whether the text is a number alone, in any notation."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _no_number(value: Any) -> Any:
    if isinstance(value, str) and is_number(value):
        raise NumberError("a number alone is no time")
    return value


Time = Annotated[datetime, BeforeValidator(_no_number)]
"""A parameter of the query; a time without a zone is refused by the record."""
