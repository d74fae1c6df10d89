"""The command watch: judges every photograph that a camera writes into a folder."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import platewatch
from platewatch.cli.judging import line
from platewatch.cli.shell import FOLDER, INTERRUPTED, PHOTOGRAPHS, RECORDS
from platewatch.errors import InputError

if TYPE_CHECKING:
    from platewatch.line.destinations import Destination
    from platewatch.records import Entry, Policy, Records


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `policy` turns into a Policy."""
    for option in reversed(
        (
            click.option(
                "--keep",
                type=click.Choice(["all", "not-passed"]),
                default="all",
                show_default=True,
                help="Photographs to store; those waiting for review are always stored.",
            ),
            click.option("--days", type=float, help="Days after which photographs are removed, once reviewed."),
            click.option("--gigabytes", type=float, help="Size above which the oldest are removed, once reviewed."),
            click.option(
                "--review-share",
                type=click.FloatRange(0, 1),
                default=0.02,
                show_default=True,
                help="Fraction of passing plates sent to review at random, to find misses.",
            ),
        )
    ):
        command = option(command)
    return command


def policy(keep: str, days: float | None, gigabytes: float | None, review_share: float) -> "Policy":
    """The Policy of these options; raises InputError for a value out of its bounds."""
    from platewatch.records import Keep, Policy

    return Policy(Keep(keep), days, gigabytes, review_share)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--model", required=True, type=FOLDER, help="The model folder.")
@RECORDS
@PHOTOGRAPHS
@click.option("--json", "as_json", is_flag=True, help="One JSON Entry per line.")
@click.option("--webhook", "webhooks", multiple=True, metavar="URL", help="POST each Entry to URL; may be repeated.")
@click.option("--mqtt", multiple=True, metavar="URL", help="Publish each Entry: mqtt://[user:password@]host/topic.")
@click.option("--once", is_flag=True, help="Judge the photographs that are there, then stop.")
@click.option(
    "--give-up",
    default=30.0,
    show_default=True,
    help="Seconds an incomplete file may stay unchanged before it is recorded as failed.",
)
@click.option("--threads", default=0, type=click.IntRange(0), help="Cores to use; 0: all.")
@policy_options
def watch(
    folder: Path,
    model: Path,
    records: str,
    photographs: Path | None,
    as_json: bool,
    webhooks: tuple[str, ...],
    mqtt: tuple[str, ...],
    once: bool,
    give_up: float,
    threads: int,
    **kept: Any,
) -> None:
    """Judge every photograph that a camera writes into FOLDER exactly once, and record it.

    Files that are still being written are waited for. After a crash or a restart no photograph is judged twice. Runs
    until it is stopped.
    """
    from platewatch.line.destinations import destination
    from platewatch.line.watch_folder import Watch
    from platewatch.records import Records

    if once and not folder.is_dir():
        raise InputError(folder, "no such folder", remedy="check the path")
    destinations = [destination(url) for url in (*webhooks, *mqtt)]
    chosen = policy(**kept)
    inspector = platewatch.load(model, threads=threads)
    with Records.open(records, photographs, chosen) as opened, ExitStack() as running:
        wake = _start_helpers(running, opened, destinations)

        def judged(entry: "Entry") -> None:
            click.echo(entry.as_json() if as_json else line(entry.inspection))
            if entry.inspection.error is not None:
                click.echo(f"error: {entry.inspection.error}", err=True)
            wake()

        watching = Watch(
            folder,
            inspector,
            opened,
            deliver=[each.name for each in destinations],
            give_up_s=give_up,
            judged=judged,
            said=_warn,
        )
        stopped_by = list[int]()

        def stop(number: int, _frame: object) -> None:
            stopped_by.append(number)
            watching.stop()

        click.echo(f"{folder}: watched; model {inspector.manifest.model_id}, record {records}", err=True)
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            watching.run(once=once)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if signal.SIGINT in stopped_by:
        click.get_current_context().exit(INTERRUPTED)


def _start_helpers(running: ExitStack, records: "Records", destinations: "list[Destination]") -> Callable[[], None]:
    """Start delivery workers and the retention job until the stack closes; returns what wakes the workers."""
    from platewatch.line.deliveries import DeliveryWorker
    from platewatch.records import RetentionJob

    workers = [DeliveryWorker(records, each, tell=_warn) for each in destinations]
    helpers: list[DeliveryWorker | RetentionJob] = [*workers, RetentionJob(records, tell=_warn)]
    for helper in helpers:
        helper.start()
        running.callback(helper.stop)
    for each in records.deliveries():
        if each.waiting and each.name not in {one.name for one in destinations}:
            _warn(f"{each.name}: {each.waiting} plates wait for delivery, but this destination is not given here")

    def wake() -> None:
        for worker in workers:
            worker.wake()

    return wake


def _warn(words: str) -> None:
    click.echo(f"warning: {words}", err=True)
