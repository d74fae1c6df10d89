"""The command that measures a photograph's scale: scale."""

import json
from pathlib import Path

import click

from platewatch.cli.shell import FOLDER


@click.command()
@click.argument("photo", type=FOLDER)
@click.option("--checkerboard", metavar="COLUMNSxROWS", help="Squares of the checkerboard on the photograph: 9x7.")
@click.option("--square", type=click.FloatRange(0, min_open=True), help="Width of one square, mm.")
@click.option("--part", metavar="WIDTHxHEIGHT", help="Size of the part on the photograph instead, mm: 80x60.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object on stdout.")
def scale(photo: Path, checkerboard: str | None, square: float | None, part: str | None, as_json: bool) -> None:
    """Measure the millimetres per px of PHOTO, from a checkerboard or a part of known size, with their uncertainty."""
    from platewatch.photographs import reading
    from platewatch.photographs import scale as measuring

    if (checkerboard is None) == (part is None) or (checkerboard is None) != (square is None):
        raise click.UsageError("pass --checkerboard with --square, or --part")
    picture = reading.read(photo)
    if checkerboard is not None and square is not None:
        squares = measuring.pair(checkerboard, "--checkerboard")
        found = measuring.of_checkerboard(picture, squares, square, str(photo))
    else:
        found = measuring.of_part(picture, measuring.pair(part or "", "--part"), str(photo))
    if as_json:
        values = {"schema": 1, "mm_per_px": found.mm_per_px, "uncertainty": found.uncertainty, "what": found.what}
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    mm = found.mm_per_px * found.uncertainty
    click.echo(f"{photo}: {found.mm_per_px:.5g} ± {mm:.2g} mm per px ({found.uncertainty:.2%}), from {found.what}")
    click.echo(f"train with --mm-per-px {found.mm_per_px:.5g} --mm-uncertainty {found.uncertainty:.2g}")
