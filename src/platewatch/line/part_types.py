"""Part types: kinds of parts, each with a name, a picture, a model, mm per px. One folder each, with one file.

    PART_TYPES/
    └── hinge-left/
        ├── part-type.json   name, model, mm per px, training photographs; written atomically, for people to read
        └── picture.jpg      where one was given

The part type without a name, `""`, is that of a line that was started with one model.
"""

import json
import os
import re
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from platewatch import files
from platewatch.config import STRICT
from platewatch.errors import InputError, OutputError, UnknownPartType
from platewatch.model import model_folder
from platewatch.photographs import formats, reading

FILE, REMOVED = "part-type.json", "part-type.removed.json"
ADDED, TAKEN_OUT = "part_type_added", "part_type_removed"
"""Events in the record: a part type with its model; a part type that is no longer judged."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")
_MOST_BYTES = 10**6


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PartType:
    """What a part type's file holds."""

    version: Literal[1] = 1
    name: str
    model: str
    """The folder of its model in service, seen from the part type's folder."""
    mm_per_px: Annotated[float, Field(gt=0, lt=1000, allow_inf_nan=False)] | None = None
    picture: str | None = None
    """A file of the part type's folder."""
    data: str | None = None
    """The training photographs of its model, seen from the part type's folder; retraining needs them."""


_ADAPTER = TypeAdapter(PartType)
_KEYS = tuple(each.name for each in fields(PartType))


def check_name(name: str) -> str:
    """The name; raises InputError unless it is short and safe as a folder and in an address."""
    if _NAME.fullmatch(name) is None:
        expected = "1 to 40 letters of A to Z, digits, dots, hyphens and underscores, the first and last one no sign"
        raise InputError("part type", f"name {name[:60]!r}", expected=expected, remedy="choose another name")
    return name


def unknown(name: str, known: tuple[str, ...]) -> UnknownPartType:
    """The error for a name that no part type has, or for none where one is needed; it names the known ones."""
    named = [each for each in known if each]
    shown = ", ".join(named[:40]) + (f" … ({len(named)} in all)" if len(named) > 40 else "")
    expected = f"one of {shown}" if named else "none is known"
    what = f"{name[:60]!r} is unknown" if name else "none is named"
    return UnknownPartType("part type", what, expected=expected, remedy="name a known one, or add it first")


class PartTypeFolder:
    """The folder of part types; every method reads the files as they are now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """The names of all part types, in order."""
        found = [path.parent.name for path in self.folder.glob(f"*/{FILE}")]
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def place(self, name: str) -> Path:
        """The folder of a part type, which may not exist; raises InputError for a name that none may have."""
        return self.folder / check_name(name)

    def get(self, name: str) -> PartType:
        """The part type of this name; raises UnknownPartType, and InputError for a file that is damaged."""
        if _NAME.fullmatch(name) is None or not (self.folder / name / FILE).is_file():
            raise unknown(name, self.names())
        return _read(self.folder / name / FILE, name)

    def model_of(self, part_type: PartType) -> Path:
        """The folder of its model in service."""
        return (self.folder / part_type.name / part_type.model).resolve()

    def data_of(self, part_type: PartType) -> Path | None:
        """The folder of its training photographs; None when none is known."""
        return None if part_type.data is None else (self.folder / part_type.name / part_type.data).resolve()

    def picture_of(self, part_type: PartType) -> Path | None:
        """Its picture; where none was given, one of the good photographs in its model folder. None without either."""
        if part_type.picture is not None:
            return self.folder / part_type.name / part_type.picture
        return next(iter(sorted(self.model_of(part_type).glob(f"{model_folder.REPLAY}/*"))), None)

    def before(self, name: str) -> PartType | None:
        """What the part type was before it was removed; None when there was none, or its file is damaged."""
        path = self.place(name) / REMOVED
        try:
            return _read(path, name) if path.is_file() else None
        except InputError:
            return None

    def make(
        self,
        name: str,
        model: Path,
        *,
        mm_per_px: float | None = None,
        picture: Path | None = None,
        data: Path | None = None,
    ) -> tuple[PartType, bytes | None]:
        """A part type with this model, and its picture's bytes; nothing is written yet, see `add`.

        Raises InputError for a name that is taken or not allowed, and for a picture that is none; ModelError.
        """
        place = self.place(name)
        taken = {each.lower(): each for each in self.names()}.get(name.lower())
        if taken is not None:
            raise InputError(f"part type {taken}", "is there already", remedy="choose another name, or use that one")
        model_folder.load_manifest(model)
        content = None if picture is None else reading.load(picture)
        if content is not None:
            reading.read(content, str(picture))  # raises unless it is a photograph
        values: dict[str, Any] = {"mm_per_px": mm_per_px, "model": self._seen_from(place, model)}
        values["picture"] = None if content is None else f"picture{formats.suffix(content)}"
        values["data"] = None if data is None else self._seen_from(place, data)
        try:
            return PartType(name=name, **values), content
        except ValidationError as error:
            raise _invalid(place, error) from error

    def add(self, part_type: PartType, picture: bytes | None = None) -> None:
        """Write a new part type with its picture; raises OutputError."""
        if picture is not None and part_type.picture is not None:
            files.write(self.place(part_type.name) / part_type.picture, picture)
        self.put(part_type)

    def put(self, part_type: PartType) -> None:
        """Write a part type's file whole; raises OutputError."""
        path = self.place(part_type.name) / FILE
        files.write(path, json.dumps(asdict(part_type), indent=1, ensure_ascii=False) + "\n")

    def use(self, name: str, model: Path) -> PartType:
        """Put another model into a part type's file; raises as `get` and `put` do."""
        changed = replace(self.get(name), model=self._seen_from(self.place(name), model))
        self.put(changed)
        return changed

    def remove(self, name: str) -> PartType:
        """Take a part type out; its folder stays, with the file under another name. Raises as `get`, OutputError."""
        found = self.get(name)
        place = self.place(name)
        try:
            (place / FILE).replace(place / REMOVED)
        except OSError as error:
            raise OutputError(place, f"cannot be changed ({error.strerror})", remedy="check its permissions") from error
        return found

    def _seen_from(self, place: Path, folder: Path) -> str:
        """A folder as it is written: relative where it lies below the folder of part types or beside it."""
        root, found = self.folder.resolve().parent, folder.resolve()
        if found.is_relative_to(root) and root != Path(root.anchor):
            return Path(os.path.relpath(found, self.folder.resolve() / place.name)).as_posix()
        return str(found)


def _read(path: Path, name: str) -> PartType:
    remedy = "correct the file"
    try:
        values = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(path, "damaged", expected="JSON", remedy=remedy) from error
    if not isinstance(values, dict):
        raise InputError(path, "no part type", expected=f"an object with {', '.join(_KEYS)}", remedy=remedy)
    for key in values:
        if key not in _KEYS:
            raise InputError(path, f"unknown key {key[:60]!r}", expected=f"of {', '.join(_KEYS)}", remedy=remedy)
    try:
        found = _ADAPTER.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise _invalid(path, error) from error
    if found.name != name:
        raise InputError(path, f"name {found.name[:60]!r}", expected=f"{name!r}, as its folder", remedy=remedy)
    inside = None if found.picture is None else Path(found.picture)
    if inside is not None and (inside.is_absolute() or ".." in inside.parts):
        raise InputError(path, f"picture {found.picture!r}", expected="a file of its folder", remedy=remedy)
    return found


def _text(path: Path) -> str:
    """The text of a small file; raises InputError when it cannot be read."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(path, "too large", expected=f"at most {_MOST_BYTES} bytes", remedy="restore it")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", remedy="check its permissions") from error


def _invalid(path: Path, error: ValidationError) -> InputError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return InputError(path, f"{where}: {first['msg']}", remedy="correct it")
