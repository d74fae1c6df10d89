"""Time limit and errors of all receivers of deliveries."""

PATIENCE_S = 10.0
"""Seconds without an answer until a destination counts as out of reach."""


class DeliveryFailed(Exception):  # noqa: N818 - says what happened
    """The destination did not get the plate now."""


class Refused(DeliveryFailed):
    """The destination answers but refuses this one plate; it may still take the others."""


def line(error: Exception) -> str:
    """The error's text in one line."""
    return " ".join(str(error).split()) or type(error).__name__
