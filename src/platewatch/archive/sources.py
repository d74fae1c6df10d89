"""Lists the photographs of folders, stores and manifests, streaming, in a fixed order; memory does not grow."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import compute, csv, parquet

from platewatch import printable
from platewatch.archive import places
from platewatch.archive.places import Entry, Place
from platewatch.archive.shards import Photograph
from platewatch.errors import InputError
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL
from platewatch.photographs.left_alone import is_hidden, is_photograph

COLUMNS = {
    "image": ("image", "path", "file", "filename", "key"),
    "label": ("label",),
    "plate_id": ("plate_id", "part_id"),
    "part_type": ("part_type",),
    "taken": ("taken", "time"),
    "size": ("size",),
    "sha256": ("sha256", "image_sha256"),
}
"""What a manifest may say of a photograph, and the columns that it is looked for in."""
_LABELS = {
    **dict.fromkeys(("0", "normal", "good", "ok", "false"), NORMAL),
    **dict.fromkeys(("1", "anomalous", "defective", "bad", "ng", "true"), ANOMALOUS),
    "": None,
}
_ROWS = 65536  # of a manifest at a time
_GOOD = "good"


@dataclass
class Listing:
    """The photographs of all sources. Each iteration lists them anew and fills the other fields."""

    sources: Sequence[str]
    columns: Mapping[str, str] = field(default_factory=dict)
    """The manifest's column for each of COLUMNS that has another name."""
    label_by_folder: bool = False
    """A photograph's folder is its label: `good` is normal, any other anomalous."""
    not_listed: list[str] = field(default_factory=list)
    """Folders that could not be opened, each with the reason."""
    left_alone: Counter[str] = field(default_factory=Counter)
    """Files that are no photographs, by suffix."""

    def __iter__(self) -> Iterator[tuple[int, Photograph]]:
        """Each photograph with its source's number. Raises InputError for a source that cannot be used."""
        self.not_listed.clear()
        self.left_alone.clear()
        for number, text in enumerate(self.sources):
            place = Place.of(text)
            if is_manifest(text):
                found = self._manifest(place)
            elif places.is_folder(place):
                found = self._folder(place, outermost=True)
            else:
                found = iter([Photograph(place.name, "", None)])
            for photograph in found:
                yield number, photograph

    def _folder(self, folder: Place, *, outermost: bool = False) -> Iterator[Photograph]:
        try:
            found = places.entries(folder)
        except InputError as error:
            if outermost:
                raise
            self.not_listed.append(str(error))
            return
        inside = []
        for entry in found:
            if is_hidden(entry.name):
                continue
            if entry.is_folder:
                inside.append(entry.name)
            elif is_photograph(entry.name):
                yield self._in_folder(folder, entry)
            else:
                self.left_alone[entry.name.rpartition(".")[2].lower()] += 1
        for name in inside:
            yield from self._folder(folder.child(name))

    def _in_folder(self, folder: Place, entry: Entry) -> Photograph:
        label = None
        if self.label_by_folder:
            label = NORMAL if folder.path.rstrip("/").rpartition("/")[2] == _GOOD else ANOMALOUS
        mark = f"{entry.size}" if label is None else f"{entry.size}|{label}"
        return Photograph(folder.child(entry.name).name, mark, entry.size, label, None, entry.modified)

    def _manifest(self, manifest: Place) -> Iterator[Photograph]:
        folder = base(manifest)
        for table in _tables(manifest, self.columns):
            known = {name: table.column(name).to_pylist() for name in table.column_names}
            count = len(known["image"])
            empty = [None] * count
            rows = zip(*(known.get(name, empty) for name in COLUMNS), strict=True)
            for image, label, plate_id, part_type, taken, stated, sha256 in rows:
                size = stated
                if size is None and sha256 is None:
                    size = places.size(folder.at(image or ""))
                number = None if label is None else _label(label, manifest, image)
                seconds = None if taken is None else taken / 1e6
                mark = f"{sha256 or size}|{number}|{plate_id}|{taken}" + (f"|{part_type}" if part_type else "")
                yield Photograph(image or "", mark, size, number, plate_id, seconds, part_type)


def is_manifest(text: str) -> bool:
    """Whether a source is a table that names photographs."""
    return text.partition("?")[0].lower().endswith((".csv", ".parquet"))


def base(source: Place, working_folder: str = "") -> Place:
    """The folder that names of images are relative to: a manifest's own, else the working folder."""
    if not is_manifest(source.name):
        return source if source.system is not None else Place("", working_folder)
    name, path = (text.rpartition("/")[0] for text in (source.name, source.path))
    if source.system is None:
        path = os.path.join(working_folder, os.path.dirname(source.path))  # noqa: PTH118, PTH120 - no cleaning of names
    return Place(name, path, source.system)


def _tables(manifest: Place, columns: Mapping[str, str]) -> Iterator[pa.Table]:
    """The manifest's rows, some at a time, with the columns of COLUMNS that it has."""
    try:
        if manifest.name.lower().endswith(".csv"):
            with csv.open_csv(_opened(manifest), convert_options=_as_text(manifest)) as reader:
                chosen = _chosen(manifest, reader.schema.names, columns)
                for batch in reader:
                    yield _typed(pa.table(batch), chosen)
        else:
            with parquet.ParquetFile(_opened(manifest), memory_map=manifest.system is None) as file:
                chosen = _chosen(manifest, file.schema_arrow.names, columns)
                for batch in file.iter_batches(_ROWS, columns=list(chosen.values()), use_threads=False):
                    yield _typed(pa.table(batch), chosen)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        what = f"not a readable table ({printable.line(str(error))})"
        raise InputError(manifest.name, what, expected="CSV in UTF-8 with a head, or Parquet") from error
    except OSError as error:
        raise InputError(manifest.name, f"cannot be read ({error.strerror or error})", remedy="check it") from error


def _opened(manifest: Place) -> Any:
    if manifest.system is None:
        return pa.OSFile(manifest.path, "r")
    return manifest.system.open_input_file(manifest.path)


def _as_text(manifest: Place) -> csv.ConvertOptions:
    """Every column as text: a plate's id `007` is no number."""
    with csv.open_csv(_opened(manifest)) as reader:
        return csv.ConvertOptions(column_types=dict.fromkeys(reader.schema.names, pa.string()))


def _chosen(manifest: Place, names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for wanted, usual in COLUMNS.items():
        if wanted in columns and columns[wanted] not in names:
            what = f"has no column {columns[wanted]!r}"
            raise InputError(manifest.name, what, expected=f"one of {', '.join(names)}")
        name = columns.get(wanted) or next((each for each in usual if each in names), None)
        if name is not None:
            found[wanted] = name
    if "image" not in found:
        expected = f"one of {', '.join(COLUMNS['image'])}"
        remedy = "name it by --column image=NAME"
        raise InputError(
            manifest.name, f"has no column of paths among {', '.join(names)}", expected=expected, remedy=remedy
        )
    return found


def _typed(table: pa.Table, chosen: Mapping[str, str]) -> pa.Table:
    types = {"taken": pa.timestamp("us", "UTC"), "size": pa.int64()}
    made = {}
    for wanted, name in chosen.items():
        column = table.column(name)
        if pa.types.is_string(column.type) and wanted in types:
            column = compute.if_else(compute.equal(column, ""), None, column)
        if wanted == "taken" and pa.types.is_string(column.type):
            column = _time(column)
        column = column.cast(types.get(wanted, pa.string()))
        made[wanted] = column.cast(pa.int64()) if wanted == "taken" else column
    return pa.table(made)


def _time(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as times; without a zone they are UTC."""
    try:
        return column.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return column.cast(pa.timestamp("us"))


def _label(text: str, manifest: Place, image: str | None) -> int | None:
    try:
        return _LABELS[text.strip().lower()]
    except KeyError as error:
        expected = f"one of {', '.join(filter(None, _LABELS))}, or nothing"
        raise InputError(manifest.name, f"label {text!r} of {image}", expected=expected) from error
