"""The command archive: judges many photographs into Parquet, one row each."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.cli.shell import ALL_PHASES, ERROR, FOLDER, NOT_PASSED, progress
from platewatch.errors import InputError

if TYPE_CHECKING:
    from platewatch.archive.runs import Ended, Events, Settings, Status

_EVERY_S = 30.0  # between two lines of progress where there is no terminal


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--model", required=True, type=FOLDER, help="The model folder.")
@click.option("--out", metavar="RESULTS", help="Folder or URI of the results; the same again goes on where it was.")
@click.option("--workers", default=0, type=click.IntRange(0), help="Processes, one core each; 0: one for every core.")
@click.option("--ray", metavar="ADDRESS", help="Run on a Ray cluster; `local` starts one on this machine.")
@click.option("--against", type=FOLDER, help="Another model, which judges too: the report says where they agree.")
@click.option("--maps", is_flag=True, help="Write the anomaly maps too, as PNG in Parquet.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    help="A manifest's column for image, label, plate_id, part_type, taken, size or sha256.",
)
@click.option("--label-by-folder", is_flag=True, help="Photographs in folders called good are good, others defective.")
@click.option("--plan", "only_plan", is_flag=True, help="Judge nothing: say how many photographs, bytes, hours.")
@click.option("--price", type=click.FloatRange(0), help="Price of a core-hour: --plan says what a million cost.")
@click.option(
    "--patience",
    default=3600.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds that a full disk or a store that does not answer is waited for.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@ALL_PHASES
def archive(
    sources: tuple[str, ...],
    model: Path,
    out: str | None,
    workers: int,
    ray: str | None,
    against: Path | None,
    maps: bool,
    columns: tuple[str, ...],
    label_by_folder: bool,
    only_plan: bool,
    price: float | None,
    patience: float,
    as_json: bool,
    all_phases: bool,
) -> None:
    """Judge the photographs of each SOURCE into Parquet, one row each: folders, manifests (CSV, Parquet), URIs."""
    from platewatch.archive import runs

    if out is None and not only_plan:
        raise click.UsageError("Missing option '--out', or '--plan'.")
    settings = runs.Settings(
        sources,
        model,
        out or "",
        against=against,
        workers=workers,
        ray=ray,
        maps=maps,
        all_phases=all_phases,
        label_by_folder=label_by_folder,
        columns=_columns(columns),
        patience_s=patience,
    )
    if only_plan:
        _plan(settings, price, as_json=as_json)
        return
    with _progress() as events:
        ended = runs.run(settings, events)
        found = _report(settings, ended, events)
    _say(found, as_json=as_json)
    if found["outcomes"]["FAILED"] or found["problems"] or found["unfinished"] or found["not_listed"]:
        click.get_current_context().exit(ERROR)
    if found["outcomes"]["PASS"] < found["photographs"]:
        click.get_current_context().exit(NOT_PASSED)


def _plan(settings: "Settings", price: float | None, *, as_json: bool) -> None:
    from platewatch.archive import estimate

    with progress() as report:
        found = estimate.estimate(settings, price, report)
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
        return
    unsized = f", without {found.unsized:,} of unknown size" if found.unsized else ""
    click.echo(f"{found.photographs:,} photographs, {found.bytes / 1e9:,.1f} GB{unsized}; {found.done:,} have rows")
    click.echo(
        f"{found.core_ms:.1f} core-ms each, median of {found.sample}; reading a file takes {found.read_ms:.1f} ms"
    )
    click.echo(f"{duration(3600 * found.hours)} on {found.cores} cores")
    cost = "" if price is None else f", {found.core_hours_per_million * price:.2f} at {price:g} a core-hour"
    click.echo(f"{found.core_hours_per_million:.1f} core-hours a million{cost}")


def _report(settings: "Settings", ended: "Ended", events: "Events") -> dict[str, Any]:
    """Count over all rows and write the report."""
    from platewatch.archive import report, runs, tally
    from platewatch.archive.places import Place

    out = Place.of(settings.out)
    written = runs.judged(out, ended.plan.mark) & ended.plan.shards
    counted = tally.of(out, written, events.counted)
    found = report.summary(counted, ended, settings, runs.model_id(settings.model))
    report.write(counted, found, settings)
    return found


def _columns(given: tuple[str, ...]) -> dict[str, str]:
    from platewatch.archive.sources import COLUMNS

    found = {}
    for each in given:
        name, equals, column = each.partition("=")
        if not equals or name not in COLUMNS:
            raise InputError(f"--column {each}", expected=f"NAME=COLUMN with a name of {', '.join(COLUMNS)}")
        found[name] = column
    return found


def _say(found: dict[str, Any], *, as_json: bool) -> None:
    for name in ("not_listed", "problems", "unfinished"):
        for line in found[name]:
            click.echo(f"error: {line}", err=True)
    if found["left_alone"]:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in found["left_alone"].items())
        click.echo(f"warning: files left alone, which are no photographs: {kinds}", err=True)
    if found["superseded"]:
        click.echo(f"{found['superseded']} files of shards that changed were moved to superseded/", err=True)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, allow_nan=False))
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in found["outcomes"].items())
    click.echo(f"{found['photographs']:,} photographs: {counts}; {found['judged']:,} judged now")
    for name in ("missed", "false_alarms"):
        if found[name]:
            click.echo(f"{name.replace('_', ' ')}: {found[name]['count']} of {found[name]['of']}")
    if found["agreement"]:
        click.echo(f"both models agree on {found['agreement']['count']:,} of {found['agreement']['of']:,}")
    click.echo(f"{found['out'].rstrip('/')}/report.html")


@contextmanager
def _progress() -> "Iterator[Events]":
    """A bar with rate, time left and failures on stderr; without a terminal a line every half minute."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from platewatch.archive.runs import Events

    console = Console(stderr=True)
    text = "{task.fields[rate]:.1f}/s  {task.fields[failed]} failed"
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(text)
    began, before, last = time.monotonic(), -1, 0.0
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("listing", total=None, rate=0.0, failed=0)

        def listed(photographs: int) -> None:
            bars.update(task, completed=photographs)

        def status(found: "Status") -> None:
            nonlocal before, last, began
            now = time.monotonic()
            if before < 0:  # listed: the first photograph is about to be begun
                began, before, last = now, found.done, now
                bars.reset(task, description="judging", total=found.total, completed=found.done, rate=0.0, failed=0)
            rate = (found.done - before) / max(now - began, 1e-3)
            bars.update(task, completed=found.done, rate=rate, failed=found.failed)
            if not console.is_terminal and (now - last >= _EVERY_S or found.finished == found.total):
                last = now
                left = (found.total - found.done) / rate if rate else float("inf")
                counts = f"{found.done:,} of {found.total:,}, {rate:.1f}/s"
                click.echo(f"judging: {counts}, {duration(left)} left, {found.failed} failed", err=True)

        def counted(photographs: int) -> None:
            bars.update(task, description="counting", completed=photographs)

        yield Events(
            listed,
            status,
            counted,
            lambda line: bars.console.print(line) if console.is_terminal else click.echo(line, err=True),
        )


def duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds == float("inf"):
        return "unknown time"
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
