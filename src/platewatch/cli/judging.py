"""Commands that use a model: evaluate, inspect, verify, bench, onnx."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import platewatch
from platewatch import files
from platewatch.cli.shell import ALL_PHASES, ERROR, FOLDER, NOT_PASSED, RUNTIME, progress, show, warn_of_left_alone
from platewatch.errors import OutputError, RuntimeUnavailable

if TYPE_CHECKING:
    from platewatch.inspection import Inspection
    from platewatch.model.inspector import Inspector
    from platewatch.model.runtime import Runtime


@click.command()
@click.argument("model", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, help="Folder for report.html and the plots.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--pixel-size", type=click.IntRange(32, 1024), help="Longer side in px for pixel metrics.")
@click.option(
    "--later", "later_folder", type=FOLDER, help="Folder of good parts photographed another day, to check the bound."
)
@RUNTIME
def evaluate(
    model: Path,
    data: Path,
    out: Path | None,
    as_json: bool,
    pixel_size: int | None,
    later_folder: Path | None,
    runtime: "Runtime",
) -> None:
    """Judge the labelled folder DATA/test with MODEL, by all phases: missed defects, false alarms, AUROC."""
    from platewatch.evaluation import evaluator as evaluating
    from platewatch.evaluation import later as judging_later
    from platewatch.evaluation import report as reports
    from platewatch.evaluation import tables

    inspector = platewatch.load(model, runtime=runtime)
    with progress() as report:
        found = evaluating.evaluate(inspector, data, pixel_size=pixel_size, progress=report)
        if later_folder is not None:
            found = replace(found, later=judging_later.judge(inspector, later_folder, report))
        page = None
        if out is not None:
            page = reports.write_evaluation(found, inspector, out, progress=report)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        alpha = (tables.alpha(found),) if found.alpha_table else ()
        show(tables.verdicts(found), *alpha, tables.phases(found))
        if found.later is not None:
            show(tables.later(found.later))
            click.echo(tables.later_words(found.later))
    later_failures = found.later.failed if found.later else ()
    for _, message in later_failures:
        click.echo(f"error: {message}", err=True)
    for failure in (*found.failed, *found.mask_failures):
        click.echo(f"error: {failure.error}", err=True)
    for unused in found.unused_masks:
        click.echo(f"warning: {unused.error}", err=True)
    if page is not None:
        click.echo(str(page), err=as_json)
    if found.failed or found.mask_failures or later_failures:
        click.get_current_context().exit(ERROR)


@click.command()
@click.argument("model", type=FOLDER)
@click.argument("photos", type=FOLDER, nargs=-1, required=True, metavar="PHOTO_OR_FOLDER...")
@click.option("--out", type=FOLDER, help="Folder for one overlay PNG per plate.")
@click.option("--json", "as_json", is_flag=True, help="One JSON Inspection per line.")
@click.option("--threads", default=0, type=click.IntRange(0), help="Cores to use; 0: all.")
@RUNTIME
@ALL_PHASES
def inspect(
    model: Path,
    photos: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
    threads: int,
    runtime: "Runtime",
    all_phases: bool,
) -> None:
    """Judge photographs with MODEL; print one line per photograph."""
    from platewatch.model import ordered_map

    paths = list(_photographs(photos))
    alone = threads if len(paths) == 1 else 1  # of many, several side by side
    inspector = platewatch.load(model, threads=alone, runtime=runtime, all_phases=all_phases)
    pictures = _overlay_paths(out, paths)
    code = 0
    pairs = zip(paths, pictures, strict=True)
    found = ordered_map.ordered_map(lambda pair: _inspect_one(inspector, *pair), pairs, workers=threads)
    with progress() as report:
        for done, (inspection, lost) in enumerate(found, start=1):
            click.echo(inspection.as_json() if as_json else line(inspection))
            for message in filter(None, (inspection.error, lost)):
                click.echo(f"error: {message}", err=True)
                code = ERROR
            if code != ERROR and inspection.verdict is not platewatch.Verdict.PASS:
                code = NOT_PASSED
            if len(paths) > 1:
                report("inspecting", done, len(paths))
    click.get_current_context().exit(code)


@click.command()
@click.argument("model", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def verify(model: Path, as_json: bool) -> None:
    """Check MODEL's hashes and versions, and score its stored plates again with every runtime installed here."""
    from platewatch.cli import summary
    from platewatch.model import verification as verifying

    found = verifying.verify(model)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(*summary.verification(found))
        click.echo("equal" if found.equal else "NOT EQUAL: this machine would judge plates differently; train here")
        for fault in found.faults:
            click.echo(f"NO MODEL: {fault}")
    if not found.passed:
        click.get_current_context().exit(ERROR)


@click.command()
@click.argument("model", type=FOLDER)
@click.option("--photos", type=FOLDER, help="Photographs to measure with; default: the model's own plates.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@RUNTIME
@ALL_PHASES
def bench(model: Path, photos: Path | None, as_json: bool, runtime: "Runtime", all_phases: bool) -> None:
    """Measure the speed of MODEL on this machine: time by stage, plates per second, memory."""
    from platewatch.cli import summary
    from platewatch.evaluation import bench as benching

    with progress() as report:
        found = benching.bench(model, photos, runtime=runtime, all_phases=all_phases, progress=report)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(*summary.bench(found))


@click.command("onnx")
@click.argument("model", type=FOLDER)
@click.argument("file", type=FOLDER)
@click.option("--photos", type=FOLDER, help="Folder of photographs on which graph and product are compared as well.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def onnx_file(model: Path, file: Path, photos: Path | None, as_json: bool) -> None:
    """Write the whole inspector MODEL to FILE as one ONNX graph, for programs without Python.

    FILE is written only if it judges the model's stored plates as the product does.
    """
    try:
        from platewatch.model.inspector_graph import export as exporting
    except ModuleNotFoundError as error:
        raise RuntimeUnavailable(
            "", f"{error.name} is not installed", remedy="pip install 'platewatch[onnx]'"
        ) from error

    with progress() as report:
        found = exporting.export(model, file, photos, report)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        size, pictures = f"{found.image_size}×{found.image_size}", f"{found.compared} pictures"
        differences = f"score by {found.score_difference:.1e}, map by {found.map_difference:.1e}"
        click.echo(f"{found.file}: {found.bytes / 1e6:.1f} MB, takes {size} px, runs {' and '.join(found.phases)}")
        click.echo(f"judges {pictures} as the product does; largest difference: {differences}")
        click.echo(f"not in the file: checks of {', '.join(found.left_out)}")


def _photographs(given: Iterable[Path]) -> Iterator[Path]:
    """Every photograph given, and those in folders given; whether they can be read is not checked here."""
    from platewatch.photographs import reading

    for path in given:
        if path.is_dir():
            warn_of_left_alone(path)
            yield from reading.find(path)
        else:
            yield path


def _overlay_paths(out: Path | None, paths: list[Path]) -> list[Path | None]:
    """Where each photograph's overlay goes, no two alike; raises OutputError when the folder cannot be made."""
    if out is None:
        return [None] * len(paths)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            out, f"cannot be made ({error.strerror})", remedy="choose another folder for --out"
        ) from error
    often = Counter(path.stem for path in paths)
    names = (f"{number}-{path.stem}" if often[path.stem] > 1 else path.stem for number, path in enumerate(paths, 1))
    return [out / f"{name}.overlay.png" for name in names]


def _inspect_one(inspector: "Inspector", path: Path, picture: Path | None) -> tuple["Inspection", str | None]:
    """The Inspection of one photograph, and why its overlay was not written, if it was not."""
    from platewatch.line import judging
    from platewatch.photographs import overlay, reading

    judged = judging.judge(inspector, path)
    inspection, seen = judged.inspection, judged.examination
    if picture is None or seen is None:
        return inspection, None
    try:
        with files.whole_file(picture, remedy="free space there") as part:
            reading.write_png(part, overlay.overlay(seen.photo, seen.frame.cut(seen.anomaly_map), inspection.defects))
    except OutputError as error:
        return inspection, str(error)
    return inspection, None


def line(found: "Inspection") -> str:
    """One plate as a line for people: verdict, score, p-value, threshold, name, reason."""
    from platewatch.inspection import NOT_READABLE

    rest = f"threshold {found.threshold:.2f}  {found.image}: {found.reason}"
    if found.verdict is None:  # as wide as verdict and numbers of the other lines
        return f"{click.style(f'{NOT_READABLE.upper():<28}', fg='magenta', bold=True)}  {rest}"
    colours = {"PASS": "green", "REVIEW": "yellow", "REJECT": "red"}
    verdict = click.style(f"{found.verdict:<6}", fg=colours[found.verdict], bold=True)
    numbers = "score    –  p    –  " if found.score is None else f"score {found.score:4.2f}  p {found.p_value:.3f}"
    return f"{verdict}  {numbers:<20}  {rest}"
