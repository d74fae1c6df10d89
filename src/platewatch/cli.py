"""The command line: words into calls, results onto stdout, errors into one line and an exit code.

Exit codes: 0 all well, 1 an error, 2 wrong usage, 3 a plate did not pass, 130 interrupted. Nothing heavy is imported
before a command runs, so that --help answers at once.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import platewatch
from platewatch.errors import InputError, OutputError, PlatewatchError, RuntimeUnavailable

if TYPE_CHECKING:
    from rich.table import Table

    from platewatch.inspection import Inspection
    from platewatch.inspector import Inspector
    from platewatch.preflight import Progress

ERROR, NOT_PASSED, INTERRUPTED = 1, 3, 130
FOLDER = click.Path(path_type=Path)


class Commands(click.Group):
    """A group whose commands end with one line and the right exit code, whatever goes wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlatewatchError as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            missing = f"{error.name} is not installed, which this command needs"
            _fail(str(RuntimeUnavailable(f"{missing}; pip install 'platewatch[train]'")))
        except KeyboardInterrupt:
            click.echo("interrupted; nothing half-written was left under the name asked for", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has gone: nothing is left to say it to
            ctx.exit(ERROR)
        except OSError as error:
            _fail(f"{error.filename or 'output'}: {error.strerror or error}; check space and permissions there")


def _fail(message: str) -> None:
    click.echo("error: " + " ".join(message.split()), err=True)
    click.get_current_context().exit(ERROR)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="platewatch", message="%(prog)s %(version)s")
def main() -> None:
    """Learn good metal plates from about fifty photographs; judge every further one.

    \b
    platewatch train DATA --out MODEL     DATA/train/good holds the good photographs
    platewatch inspect MODEL PHOTO...     PASS, REVIEW or REJECT, where, and why
    """  # noqa: D301 - click reads \b, the backspace itself, as 'leave these lines as they are'


@main.command()
@click.argument("out", type=FOLDER)
@click.option("--good", default=54, show_default=True, type=click.IntRange(1), help="Good plates to train on.")
@click.option("--size", default=512, show_default=True, type=click.IntRange(64, 2048), help="Side in px.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed, other plates.")
@click.option("--test/--no-test", "with_test", default=True, show_default=True, help="Also the labelled test set.")
def render(out: Path, good: int, size: int, seed: int, with_test: bool) -> None:
    """Render synthetic plates with masks into OUT, laid out as MVTec does."""
    from platewatch import plates

    test = plates.TEST_COUNTS if with_test else {}
    with _progress() as report:
        count = plates.render_set(
            out, good=good, test=test, size=size, seed=seed, progress=lambda *done: report("rendering plates", *done)
        )
    click.echo(f"{out}: {count} photographs of {size}×{size} px")


@main.command()
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="Folder for explore.html and the plots.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def explore(data: Path, out: Path, seed: int) -> None:
    """Look at DATA by eye: histograms, edges, what separates and what does not, and classical detectors."""
    from platewatch import explore as exploring
    from platewatch import explore_report, reading

    with _progress() as report:
        found = exploring.explore(data, seed=seed, progress=lambda *done: report("looking at photographs", *done))
        report("writing the page", 0, 1)
        page = explore_report.write(found, out)
        report("writing the page", 1, 1)
    for title, text in reading.read(found):
        click.echo(f"{click.style(title, bold=True)}\n  {text}")
    click.echo(str(page))


@main.command()
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="The model folder to write.")
@click.option(
    "--preset", type=click.Choice(["fast", "reference"]), help="fast (default), or the published recipe to the letter."
)
@click.option("--config", "config_file", type=FOLDER, help="A TOML file laid over the preset it names.")
@click.option("--seed", type=click.IntRange(0), help="Same photographs, same seed, same machine: the same model.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the photographs in phase two.")
@click.option("--false-alarm-rate", type=float, help="Share of good plates that REJECT may cost; 0.05 unless told.")
@click.option("--min-images", type=click.IntRange(3), help="Train on no fewer photographs than this.")
@click.option("--mm-per-px", type=float, help="What one px of the photographs shows, to state lengths in mm too.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted training of the same model folder.")
def train(
    data: Path,
    out: Path,
    preset: str | None,
    config_file: Path | None,
    seed: int | None,
    epochs: int | None,
    false_alarm_rate: float | None,
    min_images: int | None,
    mm_per_px: float | None,
    resume: bool,
) -> None:
    """Learn from the good photographs in DATA/train/good (or in DATA itself) and write the model folder."""
    from platewatch import config, dataset, fit, preflight, summary

    top = {"seed": seed, "min_images": min_images, "mm_per_px": mm_per_px}
    changes: dict[str, Any] = {name: value for name, value in top.items() if value is not None}
    changes |= {"training": {"epochs": epochs}} if epochs is not None else {}
    changes |= {"calibration": {"false_alarm_rate": false_alarm_rate}} if false_alarm_rate is not None else {}
    if config_file and preset:
        raise click.UsageError("--preset and --config exclude each other: the file names its preset")
    settings = config.load(config_file, **changes) if config_file else config.preset(preset or "fast", **changes)
    fit.check_free(out, resume=resume)
    with _progress() as report:
        plates = preflight.read(dataset.training(data), settings, report)
        report("looking for duplicates and odd ones", 0, 1)
        found = preflight.look(plates, settings)
        report("looking for duplicates and odd ones", 1, 1)
    _print(*summary.preflight(found, settings))
    try:
        with _progress() as report:
            manifest = fit.fit(found, settings, out, resume=resume, progress=report)
    except KeyboardInterrupt:
        click.echo("interrupted; the same command with --resume goes on from the last checkpoint", err=True)
        click.get_current_context().exit(INTERRUPTED)
    _print(*summary.model(manifest))
    click.echo(str(out))


@main.command()
@click.argument("model", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, help="Folder for report.html and the plots.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--pixel-size", type=click.IntRange(32, 1024), help="Side in px at which maps meet masks.")
def evaluate(model: Path, data: Path, out: Path | None, as_json: bool, pixel_size: int | None) -> None:
    """Judge a labelled test folder DATA/test with MODEL and count what went right and wrong."""
    from platewatch import evaluate as evaluating
    from platewatch import report as reports
    from platewatch import tables

    inspector = platewatch.load(model)
    with _progress() as report:
        found = evaluating.evaluate(
            inspector, data, pixel_size=pixel_size, progress=lambda *done: report("inspecting", *done)
        )
        page = None
        if out is not None:
            page = reports.write_evaluation(
                found, inspector, out, progress=lambda *done: report("drawing the report", *done)
            )
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        _print(tables.verdicts(found), tables.alpha(found), tables.phases(found))
    for failure in (*found.failed, *found.mask_failures):
        click.echo(f"error: {failure.error}", err=True)
    if page is not None:
        click.echo(str(page), err=as_json)
    if found.failed or found.mask_failures:
        click.get_current_context().exit(ERROR)


@main.command()
@click.argument("model", type=FOLDER)
@click.argument("photos", type=FOLDER, nargs=-1, required=True, metavar="PHOTO_OR_FOLDER...")
@click.option("--out", type=FOLDER, help="Folder for one overlay PNG a plate.")
@click.option("--json", "as_json", is_flag=True, help="One Inspection as JSON a line.")
@click.option("--threads", default=0, type=click.IntRange(0), help="Cores to use; 0 takes every one.")
def inspect(model: Path, photos: tuple[Path, ...], out: Path | None, as_json: bool, threads: int) -> None:
    """Judge photographs with MODEL: one line each, whatever happens to it."""
    paths = list(_photographs(photos))
    inspector = platewatch.load(model, threads=threads)
    pictures = _overlay_paths(out, paths)
    code = 0
    with _progress() as report:
        for done, (path, picture) in enumerate(zip(paths, pictures, strict=True), start=1):
            inspection, lost = _inspect_one(inspector, path, picture)
            click.echo(inspection.as_json() if as_json else _line(inspection))
            for message in filter(None, (inspection.error, lost)):
                click.echo(f"error: {message}", err=True)
                code = ERROR
            if code != ERROR and inspection.verdict is not platewatch.Verdict.PASS:
                code = NOT_PASSED
            if len(paths) > 1:
                report("inspecting", done, len(paths))
    click.get_current_context().exit(code)


@main.command()
@click.argument("model", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def verify(model: Path, as_json: bool) -> None:
    """Check MODEL's hashes and versions, and replay its stored plates through the runtime installed here."""
    from platewatch import summary
    from platewatch import verify as verifying

    found = verifying.verify(model)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        _print(*summary.verification(found))
        click.echo("equal" if found.equal else "NOT EQUAL: this machine would judge plates differently; train here")
    if not found.equal:
        click.get_current_context().exit(ERROR)


def _photographs(given: Iterable[Path]) -> Iterator[Path]:
    """Every photograph that is meant: a folder stands for those in it. What cannot be read is found out later."""
    from platewatch import images

    for path in given:
        if path.is_dir():
            yield from images.find(path)
        else:
            yield path


def _overlay_paths(out: Path | None, paths: list[Path]) -> list[Path | None]:
    """Where each photograph's overlay goes, no two alike; raises OutputError when the folder cannot be made."""
    if out is None:
        return [None] * len(paths)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}); choose another folder for --out") from error
    often = Counter(path.stem for path in paths)
    names = (f"{number}-{path.stem}" if often[path.stem] > 1 else path.stem for number, path in enumerate(paths, 1))
    return [out / f"{name}.overlay.png" for name in names]


def _inspect_one(inspector: "Inspector", path: Path, picture: Path | None) -> tuple["Inspection", str | None]:
    """The Inspection of one photograph, and why its overlay was not written, if it was not."""
    if picture is None:
        return inspector.inspect(path), None
    from platewatch import images, overlay

    try:
        seen = inspector.examine(path)
    except InputError:
        return inspector.inspect(path), None
    try:
        drawn = overlay.overlay(images.read(path), seen.frame.cut(seen.anomaly_map), seen.inspection.defects)
        images.write_png(picture, drawn)
    except OSError as error:
        picture.unlink(missing_ok=True)
        return seen.inspection, f"{picture}: cannot be written ({error.strerror or error}); free space there"
    return seen.inspection, None


def _line(found: "Inspection") -> str:
    """One plate for a person: verdict, score, threshold, p-value, name, why."""
    colours = {"PASS": "green", "REVIEW": "yellow", "REJECT": "red", "ERROR": "magenta"}
    word = str(found.verdict or "ERROR")
    numbers = "score    –  p    –  " if found.score is None else f"score {found.score:4.2f}  p {found.p_value:.3f}"
    head = click.style(f"{word:<6}", fg=colours[word], bold=True)
    return f"{head}  {numbers:<20}  threshold {found.threshold:.2f}  {found.image}: {found.reason}"


def _print(*tables: "Table") -> None:
    """Print tables to stdout, as wide as the terminal or, into a file, as they need."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables:
        console.print(table)


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A progress bar on stderr for each stage; without a terminal, one line as each stage begins."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    stages: dict[str, Any] = {}
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # lines stand above the bar, but what goes into a file stays there
    ) as bars:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
                if not console.is_terminal:
                    click.echo(f"{stage} …", err=True)
            bars.update(stages[stage], completed=done, total=total)

        yield report
