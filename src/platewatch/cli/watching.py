"""The command that stays: watch."""

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
                help="Whose photographs are stored; those that a person is to look at always are.",
            ),
            click.option("--days", type=float, help="Remove photographs that are older; never those to be reviewed."),
            click.option("--gigabytes", type=float, help="Remove the oldest when they take more; likewise."),
            click.option(
                "--review-share",
                type=click.FloatRange(0, 1),
                default=0.02,
                show_default=True,
                help="Share of the plates with PASS that a person looks at all the same.",
            ),
        )
    ):
        command = option(command)
    return command


def policy(keep: str, days: float | None, gigabytes: float | None, review_share: float) -> "Policy":
    """What is kept, by the options above; raises InputError for what makes no sense."""
    from platewatch.records import Keep, Policy

    return Policy(Keep(keep), days, gigabytes, review_share)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--model", required=True, type=FOLDER, help="The model folder that judges.")
@RECORDS
@PHOTOGRAPHS
@click.option("--json", "as_json", is_flag=True, help="One Entry as JSON a line.")
@click.option("--webhook", "webhooks", multiple=True, metavar="URL", help="POST each Entry there; may be given again.")
@click.option("--mqtt", multiple=True, metavar="URL", help="Publish each Entry: mqtt://[user:password@]host/topic.")
@click.option("--once", is_flag=True, help="Judge what lies there, then end.")
@click.option("--give-up", default=30.0, show_default=True, help="Seconds until half a photograph counts as failed.")
@click.option("--threads", default=0, type=click.IntRange(0), help="Cores to use; 0 takes every one.")
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
    """Judge each photograph that a camera drops into FOLDER exactly once, and write it into the record.

    Also after a crash or restart, and while a file is still being written. Goes on until it is stopped.
    """
    from platewatch.line.destinations import destination
    from platewatch.line.watch_folder import Watch
    from platewatch.records import Records

    if once and not folder.is_dir():
        raise InputError(folder, "no such folder", remedy="check the path")
    told = [destination(url) for url in (*webhooks, *mqtt)]
    chosen = policy(**kept)
    inspector = platewatch.load(model, threads=threads)
    with Records.open(records, photographs, chosen) as opened, ExitStack() as running:
        wake = _start_helpers(running, opened, told)

        def judged(entry: "Entry") -> None:
            click.echo(entry.as_json() if as_json else line(entry.inspection))
            if entry.inspection.error is not None:
                click.echo(f"error: {entry.inspection.error}", err=True)
            wake()

        watching = Watch(
            folder,
            inspector,
            opened,
            deliver=[each.name for each in told],
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


def _start_helpers(running: ExitStack, records: "Records", told: "list[Destination]") -> Callable[[], None]:
    """Couriers and upkeep, stopped when the stack closes; what is returned tells the couriers that there is news."""
    from platewatch.line.deliveries import DeliveryWorker
    from platewatch.records import RetentionJob

    workers = [DeliveryWorker(records, each, tell=_warn) for each in told]
    helpers: list[DeliveryWorker | RetentionJob] = [*workers, RetentionJob(records, tell=_warn)]
    for helper in helpers:
        helper.start()
        running.callback(helper.stop)
    for each in records.deliveries():
        if each.waiting and each.name not in {one.name for one in told}:
            _warn(f"{each.name}: {each.waiting} plates wait to be told, but it is not named here")

    def wake() -> None:
        for worker in workers:
            worker.wake()

    return wake


def _warn(words: str) -> None:
    click.echo(f"warning: {words}", err=True)
