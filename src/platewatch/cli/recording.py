"""Commands on the record: audit, backup, copy, replay, export."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch import files
from platewatch.cli.shell import ERROR, FOLDER, PHOTOGRAPHS, RECORDS, progress

if TYPE_CHECKING:
    from platewatch.records import Audit, Query, Records
    from platewatch.records.values import ChainAudit


def _time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """A date, or a date with a time; in this machine's zone unless it names one."""
    try:
        return None if value is None else datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{value!r} is not a time, expected 2026-11-24 or 2026-11-24T06:00") from error


def _anchor(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, str] | None:
    """An anchor, ROW:HASH, as shift reports and audits print it."""
    if value is None:
        return None
    row, _, digest = value.partition(":")
    if not row.isdecimal() or len(digest) != 64:
        raise click.BadParameter(f"{value!r}, expected ROW:HASH with 64 hexadecimal digits, as on a report")
    return int(row), digest.lower()


@click.command()
@RECORDS
@PHOTOGRAPHS
@click.option("--read-photographs/--rows-only", default=True, show_default=True, help="Also check every photograph.")
@click.option(
    "--noted",
    callback=_anchor,
    metavar="ROW:HASH",
    help="Anchor of an earlier audit or report that must be in the chain.",
)
@click.option(
    "--anchors",
    "places",
    multiple=True,
    type=FOLDER,
    help="Folder of anchors, or a file with one a line; default: the folders that the record names. Repeatable.",
)
@click.option("--anchor-key", "key", type=FOLDER, help="Public key (KEY.pub) that must have signed every anchor.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def audit(
    records: str,
    photographs: Path | None,
    read_photographs: bool,
    noted: tuple[int, str] | None,
    places: tuple[Path, ...],
    key: Path | None,
    as_json: bool,
) -> None:
    """Check the whole record for tampering and name the places; exit code 1 when there is any."""
    from platewatch import signing
    from platewatch.inspection import SCHEMA
    from platewatch.records import anchors

    public = None if key is None else signing.public_key(key)
    with _open(records, photographs) as opened, progress() as report:
        given = [each for place in places or _named(opened) for each in anchors.read(place)]
        found = opened.audit(report, photographs=read_photographs, anchor=noted, anchors=given, key=public)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "whole": found.intact, **asdict(found)}, ensure_ascii=False))
    else:
        _show(found)
    if not found.intact:
        click.get_current_context().exit(ERROR)


@click.command()
@click.argument("out", type=FOLDER)
@RECORDS
@PHOTOGRAPHS
def backup(out: Path, records: str, photographs: Path | None) -> None:
    """Copy the record with its photographs to the new folder OUT while it is in use, and audit the copy.

    The copy is an SQLite file, also of a PostgreSQL record. Exit code 1 when the audit finds something.
    """
    with _open(records, photographs) as opened, progress() as report:
        found = opened.backup(out, report)
    _show(found)
    click.echo(f"backup: {out}")
    if not found.intact:
        click.get_current_context().exit(ERROR)


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@PHOTOGRAPHS
@click.option("--into", type=FOLDER, help="Folder for the copied photographs; default for SQLite: TO.photographs.")
def copy(source: str, target: str, photographs: Path | None, into: Path | None) -> None:
    """Copy the record FROM with its photographs into the empty database TO, and audit the copy.

    From SQLite to PostgreSQL, back, or from a backup. FROM stays as it is; stop what writes to it. TO cannot be used
    before the copy is complete; one that was interrupted is begun again by the same command. Exit code 1 when the audit
    finds something.
    """
    with _open(source, photographs) as opened, progress() as report:
        found = opened.copy(target, into, report)
    _show(found)
    if not found.intact:
        click.get_current_context().exit(ERROR)


def _named(records: "Records") -> list[Path]:
    """The folders of anchors that the record names; those that cannot be reached are named on stderr."""
    from platewatch.errors import RecordError
    from platewatch.records.anchors import STARTED

    try:
        newest = [records.events(STARTED, limit=1, station=station) for station in records.heads()]
    except RecordError:
        return []  # the audit says why
    named = [events[0].details.get("folders", []) for events in newest if events]
    folders = list(dict.fromkeys(Path(each) for some in named if isinstance(some, list) for each in some))
    for folder in folders:
        if not folder.is_dir():
            click.echo(f"warning: {folder}: anchors are kept there, but it cannot be reached; not checked", err=True)
    return [folder for folder in folders if folder.is_dir()]


def _show(found: "Audit") -> None:
    for each in found.breaks:
        click.echo(f"{f'row {each.row}' if each.row else 'record'}: {each.what}")
    word = "intact" if found.intact else f"ALTERED in {len(found.breaks)} places"
    plates = sum(each.head.entries for each in found.chains)
    click.echo(f"{word}: {found.rows} rows, {plates} plates, {found.photographs} photographs checked")
    if found.unlisted:
        click.echo(
            f"{found.unlisted} photographs belong to no row: left by a crash, or this copy of the record lacks rows"
        )
    for one in found.chains:
        _show_chain(one, found.anchors, of=f"station {one.station}: " if one.station else "")


def _show_chain(found: "ChainAudit", anchors: int, *, of: str) -> None:
    """How far one chain is anchored; `of` names its station."""
    if of:
        click.echo(f"{of}{found.rows} rows, {found.head.entries} plates")
    rows = found.rows - found.anchored
    if found.anchored:
        since = f" ({found.anchored_since})" if found.anchored_since else ""
        tail = f"not anchored since: {rows} rows" if rows else "nothing came after it"
        click.echo(f"{of}anchored up to row {found.anchored}{since}, {anchors} anchors checked; {tail}")
    else:
        click.echo(f"{of}not anchored since the first row: {rows} rows that their owner could write anew unseen")
    click.echo(f"{of}anchor for --noted, to be kept elsewhere: {found.head.rows}:{found.head.chain}")


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.argument("model", type=FOLDER, required=False)
@click.option("--models", type=FOLDER, help="A folder of models; the one that judged the plate is used.")
@RECORDS
@PHOTOGRAPHS
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def replay(
    number: int, model: Path | None, models: Path | None, records: str, photographs: Path | None, as_json: bool
) -> None:
    """Judge plate ID of the record again with MODEL and compare the verdicts; exit code 1 when they differ."""
    from platewatch.inspection import NOT_READABLE
    from platewatch.line import replay as replaying

    if (model is None) == (models is None):
        raise click.UsageError("name a MODEL, or a folder of them with --models")
    with _open(records, photographs) as opened:
        folder = model or replaying.find_model(models or Path(), opened.get(number).inspection.model_id)
        found = replaying.replay(opened, number, folder)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False))
    else:
        click.echo(f"plate {number}: {found.recorded.verdict or NOT_READABLE}, {found.recorded.reason}")
        for difference in found.differences:
            click.echo(f"  {difference}")
        click.echo("equal" if found.equal else "NOT EQUAL")
    if not found.equal:
        click.get_current_context().exit(ERROR)


@click.command()
@click.argument("kind", type=click.Choice(["csv", "jsonl", "dataset", "report"]))
@click.argument("out", type=FOLDER)
@RECORDS
@PHOTOGRAPHS
@click.option(
    "--since", callback=_time, metavar="TIME", help="Received at TIME or later: 2026-11-24, 2026-11-24T06:00."
)
@click.option("--until", callback=_time, metavar="TIME", help="Received before TIME.")
@click.option("--part-type", metavar="NAME", help="Plates of this part type alone.")
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    default=".",
    show_default=True,
    help="Decimal sign of csv; with a comma, semicolons separate the columns and --bom is on.",
)
@click.option("--station", metavar="NAME", help="Plates of this station only; '' is the one without a name.")
@click.option("--bom/--no-bom", default=None, help="Begin csv with the byte order mark, by which Excel knows UTF-8.")
def export(
    kind: str,
    out: Path,
    records: str,
    photographs: Path | None,
    since: datetime | None,
    until: datetime | None,
    decimal: str,
    bom: bool | None,
    station: str | None,
    part_type: str | None,
) -> None:
    """Write the record to OUT: csv or jsonl with all plates (OUT - is stdout); dataset with the plates reviewed as good
    or defective, in the MVTec layout; or report, a shift report as one page to print.
    """
    from platewatch.records import Query

    query = Query(since=since, until=until, station=station, part_type=part_type)
    with _open(records, photographs) as opened:
        if kind == "dataset":
            made = opened.export_dataset(out, query)
            left_out = made.unsure + made.without_photograph + made.contradictory
            click.echo(f"{out}: {made.good} good, {made.defective} defective; {left_out} reviewed plates left out")
        elif kind == "report":
            _report(opened, out, query)
        else:
            style = {"decimal": decimal, "bom": decimal == "," if bom is None else bom}
            _lines(opened, kind, out, query, style if kind == "csv" else {})


def _report(records: "Records", out: Path, query: "Query") -> None:
    from platewatch.inspection import now
    from platewatch.line import shift_report

    if query.since is None:
        raise click.UsageError("a report needs the start of the shift: --since 2026-11-24T06:00")
    with progress() as report:
        until, of = query.until or now(), {"station": query.station, "part_type": query.part_type}
        path = shift_report.write(records, query.since, until, out, progress=report, **of)
    click.echo(str(path))


def _lines(
    records: "Records",
    kind: str,
    out: Path,
    query: "Query",
    style: "dict[str, Any]",
) -> None:
    from platewatch.records import write_csv, write_json_lines

    write: Callable[..., int] = partial(write_csv, **style) if kind == "csv" else write_json_lines
    entries = records.every(query)
    if str(out) == "-":
        write(entries, sys.stdout)
        return
    with files.whole_file(out) as part, part.open("w", encoding="utf-8", newline="" if kind == "csv" else "\n") as file:
        count = write(entries, file)
    click.echo(f"{out}: {count} plates")


def _open(records: str, photographs: Path | None) -> "Records":
    from platewatch.records import Records

    return Records.open(records, photographs, create=False)
