"""Options of both `serve` and `watch`: retention of photographs, random review, webhooks and MQTT."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from platewatch.records import Policy

_POSITIVE = click.FloatRange(0, min_open=True)
_OPTIONS = (
    click.option(
        "--keep",
        type=click.Choice(["all", "not-passed"]),
        default="all",
        show_default=True,
        help="Photographs to store; those waiting for review are always stored.",
    ),
    click.option("--days", type=_POSITIVE, help="Days after which photographs are removed, once reviewed."),
    click.option("--gigabytes", type=_POSITIVE, help="Size above which the oldest are removed, once reviewed."),
    click.option(
        "--review-share",
        type=click.FloatRange(0, 1),
        default=0.02,
        show_default=True,
        help="Fraction of passing plates sent to review at random, to find misses.",
    ),
    click.option("--webhook", "webhooks", multiple=True, metavar="URL", help="POST each Entry to URL; repeatable."),
    click.option(
        "--mqtt",
        multiple=True,
        metavar="URL",
        help="Publish each Entry: mqtt://[user:password@]host/topic.",
    ),
)


def line_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; `policy` takes the values of the first four."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def policy(keep: str, days: float | None, gigabytes: float | None, review_share: float) -> "Policy":
    """The retention policy that the options describe."""
    from platewatch.records import Keep, Policy

    return Policy(Keep(keep), days, gigabytes, review_share)
