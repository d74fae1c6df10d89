"""Replay: a plate judged again from its stored photograph by the model that judged it, and compared with the record."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platewatch.errors import ModelError, RecordError
from platewatch.inspection import NOT_READABLE, SCHEMA, Inspection
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.verification import TOLERANCE
from platewatch.records import Entry, Records

_NUMBERS = ("score", "threshold", "p_value", "surface", "reconstruction_error", "latent_error")
_NEAR_PX = 2  # allowed shift of a box's edge, px: processors round differently


@dataclass(frozen=True)
class Replayed:
    """A plate's Inspection in the record and the one of now."""

    number: int
    recorded: Inspection
    replayed: Inspection
    differences: tuple[str, ...]
    """In words; empty when both are equal."""

    @property
    def equal(self) -> bool:
        """Same model, same verdict, same places, and no number off by more than TOLERANCE."""
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        pair = {"recorded": self.recorded.as_dict(), "again": self.replayed.as_dict()}
        return {
            "schema": SCHEMA,
            "number": self.number,
            "equal": self.equal,
            "differences": list(self.differences),
            **pair,
        }


def find_model(models: Path, model_id: str) -> Path:
    """The model folder in `models` (or `models` itself) with this id; raises ModelError when there is none."""
    if not models.is_dir():
        raise ModelError(models, "no such folder", expected="one that holds model folders", remedy="check the path")
    for folder in (models, *sorted(path for path in models.iterdir() if path.is_dir())):
        if (folder / model_folder.MANIFEST).is_file() and _id(folder) == model_id:
            return folder
    raise ModelError(models, f"no model {model_id} in it, which judged the plate", remedy="name the folder that has it")


def replay(records: Records, number: int, folder: Path, *, threads: int = 0) -> Replayed:
    """Judge the plate again by the model in `folder`; raises RecordError when its photograph is not kept."""
    entry = records.get(number)
    photograph = records.photograph(number)
    if photograph is None:
        raise RecordError(
            f"plate {number}", "its photograph is not kept, which judging again takes", remedy="see the policy"
        )
    all_phases = entry.inspection.reconstruction_error is not None  # as it was judged
    replayed = Inspector(folder, threads=threads, all_phases=all_phases).inspect(photograph, entry.inspection.image)
    return Replayed(number, entry.inspection, replayed, tuple(differences(entry, replayed)))


def differences(entry: Entry, replayed: Inspection) -> Iterator[str]:
    """Differences of a replayed plate from its entry, in words."""
    before = entry.inspection
    if before.model_id != replayed.model_id:
        yield f"model {replayed.model_id}, but {before.model_id} judged it"
    if before.image_sha256 != replayed.image_sha256:
        yield "another photograph than the one that was judged"
    if before.verdict != replayed.verdict:
        yield f"{replayed.verdict or NOT_READABLE}, was {before.verdict or NOT_READABLE}"
    for name in _NUMBERS:
        then, now = getattr(before, name), getattr(replayed, name)
        if not _near(then, now):
            yield f"{name.replace('_', ' ')} {_text(now)}, was {_text(then)}"
    boxes = [[place.box for place in each.defects] for each in (before, replayed)]
    if not _near_boxes(*boxes):
        yield f"places {boxes[1]}, were {boxes[0]}"


def _near(then: float | None, now: float | None) -> bool:
    if then is None or now is None:
        return then is now
    return then == now or abs(now - then) <= TOLERANCE * max(abs(then), 1e-12)


def _near_boxes(then: list[tuple[int, int, int, int]], now: list[tuple[int, int, int, int]]) -> bool:
    pairs = zip(then, now, strict=False)
    return len(then) == len(now) and all(
        abs(a - b) <= _NEAR_PX for one, other in pairs for a, b in zip(one, other, strict=True)
    )


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _id(folder: Path) -> str | None:
    try:
        return model_folder.load_manifest(folder).model_id
    except ModelError:
        return None  # a damaged neighbour must not hide the model that is asked for
