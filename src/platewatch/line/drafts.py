"""The draft of a model while a person makes it, on disk, so that it goes on where it was after a restart.

    TRAINING/                          mode 700
    ├── draft/
    │   ├── draft.json                 name, person, photographs that were left out, what preflight found
    │   ├── photographs/               as they came
    │   ├── data/train/good/           those to learn from
    │   └── model/                     the model folder, once it is trained
    └── 0123456789ab/train/good/       what the model of that id was trained on, for retraining

One draft at a time. With its model in service its photographs stay, and the draft is gone.
"""

import json
import os
import re
import shutil
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from platewatch import files
from platewatch.errors import InputError, ModelError, NotFound, OutputError
from platewatch.inspection import now
from platewatch.line import comparison, part_types
from platewatch.model import model_folder
from platewatch.photographs import data_sets, formats
from platewatch.printable import printable

MOST = 1000
"""Photographs of a draft, at most."""
FEWEST = 20
"""Photographs that training needs at least."""
_LETTERS = 120  # of a photograph's name


@dataclass(frozen=True)
class Draft:
    """What a person has told and what was found; the photographs lie beside it."""

    name: str
    """The part type that the model is for."""
    actor: str
    began: str
    """ISO 8601."""
    left_out: tuple[str, ...] = ()
    """Names of photographs that the person left out."""
    report: dict[str, Any] | None = None
    """What preflight found in the photographs, as `learning.preflight.as_dict` gives it; None before."""
    group: str = ""
    """How photographs of one part, place, batch or day are told, as for `platewatch train --group`."""
    training: bool = False
    """Whether a training was started and has not ended."""


class Drafts:
    """The draft in a folder, and the photographs that models were trained on; thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._draft, self._lock = folder / "draft", threading.RLock()

    @property
    def model(self) -> Path | None:
        """The trained model folder of the draft; None before."""
        found = self._draft / "model"
        return found if (found / model_folder.MANIFEST).is_file() else None

    @property
    def model_out(self) -> Path:
        """Where the training writes its model folder."""
        return self._draft / "model"

    def current(self) -> Draft | None:
        """The draft; None when there is none or its file is damaged."""
        try:
            values = json.loads((self._draft / "draft.json").read_text(encoding="utf-8"))
            return Draft(**{**values, "left_out": tuple(values["left_out"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, name: str, actor: str) -> Draft:
        """A new draft; raises InputError for what is no part type's name, or while there is a draft.

        Blanks become hyphens, as the name is a folder's and stands in addresses.
        """
        name = part_types.check_name("-".join(name.split()))
        with self._lock:
            if self.current() is not None:
                raise InputError("draft", "there is one already", remedy="go on with it, or discard it")
            shutil.rmtree(self._draft, ignore_errors=True)
            return self._write(Draft(name, actor, now().isoformat()))

    def change(self, **values: Any) -> Draft:
        """The draft with these values changed; raises NotFound without a draft."""
        with self._lock:
            return self._write(replace(self._there(), **values))

    def discard(self) -> None:
        """Remove the draft with its photographs."""
        with self._lock:
            (self._draft / "draft.json").unlink(missing_ok=True)  # first: what is left is no draft
            shutil.rmtree(self._draft, ignore_errors=True)

    def photographs(self) -> list[Path]:
        """The draft's photographs, sorted by name."""
        folder = self._draft / "photographs"
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []

    def photograph(self, name: str) -> Path:
        """A photograph's file; raises NotFound."""
        for path in self.photographs():
            if path.name == name:
                return path
        raise NotFound(f"photograph {name[:60]!r}", "not in the draft", remedy="reload the page")

    def add(self, name: str | None, data: bytes) -> str:
        """Store a photograph and return its name; the same photograph under the same name again is stored once.

        What preflight found and the model do not hold any more. Raises InputError above MOST, OutputError.
        """
        with self._lock:
            self._there()
            there = {path.name: path for path in self.photographs()}
            for place in (_file_name(name, data, number) for number in range(1, len(there) + 2)):
                if place not in there:
                    break
                if there[place].read_bytes() == data:
                    return place
            if len(there) >= MOST:
                raise InputError("draft", f"{MOST} photographs are there", remedy="leave the others out")
            files.write(self._draft / "photographs" / place, data, private=True)
            self._reset()
            return place

    def leave_out(self, names: Collection[str], *, out: bool) -> Draft:
        """Leave photographs out of training, or take them in again."""
        with self._lock:
            known, draft = {path.name for path in self.photographs()}, self._there()
            left = set(draft.left_out) | set(names) if out else set(draft.left_out) - set(names)
            shutil.rmtree(self.model_out, ignore_errors=True)  # it was trained on others
            return self._write(replace(draft, left_out=tuple(sorted(left & known))))

    def used(self) -> list[Path]:
        """The photographs to learn from."""
        left_out = set(self._there().left_out)
        return [path for path in self.photographs() if path.name not in left_out]

    def lay_out(self) -> Path:
        """A data-set folder with the photographs to learn from, and no model; raises OutputError."""
        with self._lock:
            data, paths = self._draft / "data", self.used()
            for folder in (data, self.model_out, *self._draft.glob(".model*")):
                shutil.rmtree(folder, ignore_errors=True)
            good = data / "train" / data_sets.GOOD
            try:
                good.mkdir(parents=True, mode=0o700)
                for path in paths:
                    _link(path, good / path.name)
            except OSError as error:
                raise OutputError(good, f"cannot be written ({error.strerror})", remedy="free some space") from error
            return data

    def back(self) -> None:
        """Give up the trained model, and choose photographs again."""
        with self._lock:
            shutil.rmtree(self.model_out, ignore_errors=True)

    def publish(self, models: Path) -> Path:
        """Copy the trained model into the folder of models, under the draft's name; raises NotFound, OutputError."""
        draft, model = self._there(), self.model
        if model is None:
            raise NotFound("draft", "no model is trained", remedy="train it first")
        names = (draft.name if number == 1 else f"{draft.name}-{number}" for number in range(1, 1000))
        out = next(models / name for name in names if not (models / name).exists())
        with files.whole_folder(out) as part:
            shutil.copytree(model, part, dirs_exist_ok=True)
        return out

    def finish(self) -> None:
        """With the model in service, keep its photographs for retraining and remove the draft."""
        with self._lock:
            model = self.model
            if model is not None:
                kept = self.folder / model_folder.load_manifest(model).model_id
                with suppress(OSError):  # the same model again has the same photographs
                    (self._draft / "data").rename(kept)
            self.discard()

    def _there(self) -> Draft:
        draft = self.current()
        if draft is None:
            raise NotFound("draft", "there is none", remedy="begin one with a name")
        return draft

    def _reset(self) -> None:
        draft = self._there()
        shutil.rmtree(self.model_out, ignore_errors=True)
        if draft.report is not None:
            self._write(replace(draft, report=None))

    def _write(self, draft: Draft) -> Draft:
        text = json.dumps(asdict(draft), ensure_ascii=False, indent=1)
        files.write(self._draft / "draft.json", text, private=True)
        return draft


def training_data(training: Path | None, models: Path, model_id: str) -> Path | None:
    """The kept photographs of a model, or of the one that it was retrained from; None without any."""
    for _ in range(1000):  # candidates of candidates
        if training is None or not model_id:
            return None
        if (training / model_id).is_dir():
            return training / model_id
        try:
            found = comparison.read(comparison.file_of(models, model_id))
        except ModelError:
            return None
        model_id = "" if found is None else found.champion.model_id
    return None


def names_of(paths: Sequence[Path]) -> list[str]:
    """The files' names."""
    return [path.name for path in paths]


def _file_name(name: str | None, data: bytes, number: int) -> str:
    """A file name of this folder alone, with a photograph's suffix; `number` tells apart those of one name."""
    plain = printable(re.split(r"[/\\]", name or "")[-1]).strip().lstrip(".")
    stem, suffix = os.path.splitext(plain)  # noqa: PTH122 - no path
    if suffix.lower() not in formats.SUFFIXES:
        stem, suffix = plain, formats.suffix(data)
    return f"{stem[-_LETTERS:] or 'photograph'}{'' if number == 1 else f' {number}'}{suffix}"


def _link(path: Path, place: Path) -> None:
    """The same file at another place; a copy where the file system has no links."""
    try:
        place.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, place)
