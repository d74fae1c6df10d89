"""Options of both `serve` and `watch`: station, retention of photographs, random review, webhooks and MQTT."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from platewatch.errors import InputError

if TYPE_CHECKING:
    from platewatch.line.destinations import Address
    from platewatch.records import Policy

_PASSWORDS = {
    "webhooks": "PLATEWATCH_WEBHOOK_PASSWORD",
    "mqtt": "PLATEWATCH_MQTT_PASSWORD",
    "anchors": "PLATEWATCH_ANCHOR_PASSWORD",
}


def _addresses(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> "tuple[Address, ...]":
    """The addresses that an option names, from the command line, a file or the environment."""
    from platewatch.line.destinations import Address

    name = option.name or ""
    password = os.environ.get(_PASSWORDS[name])
    from_environment = context.get_parameter_source(name) is ParameterSource.ENVIRONMENT
    return tuple(
        Address(url, password, is_secret=from_environment or each.startswith("@"))
        for each in given
        for url in (_lines(Path(each[1:])) if each.startswith("@") else [each])
    )


def _places(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> "tuple[Address | Path, ...]":
    """Where anchors go: a folder, or an address as of the other options."""
    folders = tuple(Path(each) for each in given if "://" not in each and not each.startswith("@"))
    urls = tuple(each for each in given if "://" in each or each.startswith("@"))
    return (*folders, *_addresses(context, option, urls))


def _lines(file: Path) -> list[str]:
    """The URLs in a file, one a line; empty lines and those that begin with # are left out."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(file, f"cannot be read ({why})", remedy="check the file with the URL") from error
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(file, "holds no URL", expected="one URL a line")
    return found


PART_TYPES = click.option(
    "--part-types",
    type=click.Path(path_type=Path),
    envvar="PLATEWATCH_PART_TYPES",
    show_envvar=True,
    help="Folder of part types; default: RECORDS.part-types.",
)
MODEL_MEMORY = click.option(
    "--model-memory",
    "model_memory_mb",
    default=1000,
    show_default=True,
    type=click.IntRange(10, 1_000_000),
    help="Memory of the models of part types, at most, in MB; the least recently used is dropped first.",
)
_POSITIVE = click.FloatRange(0, min_open=True)
_WEBHOOK = click.option(
    "--webhook",
    "webhooks",
    multiple=True,
    metavar="URL",
    envvar="PLATEWATCH_WEBHOOK",
    show_envvar=True,
    callback=_addresses,
    help="POST each Entry to URL; @FILE reads it from a file; repeatable.",
)
_MQTT = click.option(
    "--mqtt",
    multiple=True,
    metavar="URL",
    envvar="PLATEWATCH_MQTT",
    show_envvar=True,
    callback=_addresses,
    help="Publish each Entry: mqtt://[user:password@]host/topic; @FILE reads it from a file.",
)
_CA = click.option(
    "--ca",
    type=click.Path(path_type=Path),
    envvar="PLATEWATCH_CA",
    show_envvar=True,
    help="Certificate authority (PEM) to trust besides the system's, for mqtts and https.",
)
_OPTIONS = (
    click.option(
        "--station",
        default="",
        metavar="NAME",
        envvar="PLATEWATCH_STATION",
        show_envvar=True,
        help="Name of this station in a record that several share: it gets a chain and numbers of its own.",
    ),
    click.option(
        "--keep",
        type=click.Choice(["all", "not-passed"]),
        default="all",
        show_default=True,
        help="Photographs to store; those waiting for review are always stored.",
    ),
    click.option("--days", type=_POSITIVE, help="Days after which photographs without a review are removed."),
    click.option("--gigabytes", type=_POSITIVE, help="Size above which the oldest are removed, reviewed ones last."),
    click.option(
        "--review-share",
        type=click.FloatRange(0, 1),
        default=0.02,
        show_default=True,
        help="Fraction of passing plates sent to review at random, to find misses.",
    ),
    _WEBHOOK,
    _MQTT,
    click.option(
        "--require-signature",
        "signed_by",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="KEY.pub",
        help="Judge only with a model that this public key signed; may be repeated.",
    ),
    _CA,
    click.option(
        "--anchor",
        "anchors",
        multiple=True,
        metavar="PLACE",
        envvar="PLATEWATCH_ANCHOR",
        show_envvar=True,
        callback=_places,
        help="Send the head of the chain every hour to PLACE, a folder or a URL of a webhook or topic; repeatable.",
    ),
    click.option(
        "--anchor-key", type=click.Path(path_type=Path), help="Private key (Ed25519, PEM) that signs anchors."
    ),
)


def line_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; `policy` takes the values of the first four about photographs."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def receiver_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options whose values `receivers` takes."""
    for option in (_CA, _MQTT, _WEBHOOK):
        command = option(command)
    return command


def receivers(webhooks: "tuple[Address, ...]", mqtt: "tuple[Address, ...]", ca: Path | None) -> "tuple[Address, ...]":
    """All addresses that the options name, each with the certificate authority that it may trust."""
    return tuple(replace(each, authority=ca) for each in (*webhooks, *mqtt))


def anchor_places(anchors: "tuple[Address | Path, ...]", ca: Path | None) -> "tuple[Address | Path, ...]":
    """Where anchors go, each address with the certificate authority that it may trust."""
    return tuple(each if isinstance(each, Path) else replace(each, authority=ca) for each in anchors)


def policy(keep: str, days: float | None, gigabytes: float | None, review_share: float) -> "Policy":
    """The retention policy that the options describe."""
    from platewatch.records import Keep, Policy

    return Policy(Keep(keep), days, gigabytes, review_share)
