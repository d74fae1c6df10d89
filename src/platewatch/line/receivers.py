"""What every receiver of deliveries has in common: how long it is waited for, and how a delivery fails."""

PATIENCE_S = 10.0
"""Until a destination counts as out of reach."""


class DeliveryFailed(Exception):  # noqa: N818 - says what happened
    """The destination did not get the plate now."""


class Refused(DeliveryFailed):
    """The destination is in reach but refuses this one plate; it may still take the others."""


def line(error: Exception) -> str:
    """The error's text in one line."""
    return " ".join(str(error).split()) or type(error).__name__
