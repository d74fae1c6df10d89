"""Verification of a model folder: SHA-256 of every file, and stored plates scored again through every runtime here."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platewatch.inspection import SCHEMA
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import ReplayPlate
from platewatch.model.runtime import RUNTIMES, Runtime, installed
from platewatch.model.scoring import RawNumbers

TOLERANCE = 1e-4
"""Largest allowed relative difference of a raw number from the stored one."""


@dataclass(frozen=True)
class Replay:
    """One stored calibration plate, scored again by one runtime."""

    file: str
    runtime: Runtime
    stored_score: float
    score: float
    difference: float
    """Largest relative difference of the three raw numbers."""
    equal: bool
    """No difference above TOLERANCE, and the same verdict."""


@dataclass(frozen=True)
class Verification:
    """The result of `verify` for an intact folder."""

    model_id: str
    files: int
    """Number of files whose SHA-256 was checked."""
    versions: dict[str, tuple[str | None, str | None]]
    """For each package the version at training and the version here; None where it was or is not installed."""
    replays: tuple[Replay, ...]

    @property
    def equal(self) -> bool:
        """Whether every replay is equal."""
        return all(replay.equal for replay in self.replays)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as in schemas/verification.json."""
        versions = {name: {"trained": pair[0], "here": pair[1]} for name, pair in self.versions.items()}
        return {"schema": SCHEMA, **asdict(self), "versions": versions, "equal": self.equal}


def verify(folder: Path, *, threads: int = 0) -> Verification:
    """Check every SHA-256, then score the stored calibration plates again through every runtime installed here.

    Raises ModelError when the folder is damaged, altered or too new, RuntimeUnavailable without any runtime.
    """
    runtimes = installed() or RUNTIMES[:1]  # loading the first one raises RuntimeUnavailable
    inspectors = {name: Inspector(folder, threads=threads, runtime=name) for name in runtimes}
    manifest = inspectors[runtimes[0]].manifest
    here = model_folder.versions()
    names = sorted({*manifest.versions, *here})
    return Verification(
        model_id=manifest.model_id,
        files=len(manifest.files),
        versions={name: (manifest.versions.get(name), here.get(name)) for name in names},
        replays=tuple(_replay(inspectors[name], plate, name) for name in runtimes for plate in manifest.replay),
    )


def _replay(inspector: Inspector, plate: ReplayPlate, runtime: Runtime) -> Replay:
    decision, again = inspector.manifest.decision, inspector.replay(plate)
    before, after = _numbers(plate), _numbers(again)
    pairs = zip(before, after, strict=True)
    difference = max(abs(now - then) / max(abs(then), 1e-12) for then, now in pairs)
    then, now = decision.score(*before), decision.score(*after)
    same_verdict = decision.verdict(then) is decision.verdict(now)
    return Replay(plate.file, runtime, then, now, difference, same_verdict and difference <= TOLERANCE)


def _numbers(plate: ReplayPlate | RawNumbers) -> tuple[float, float, float]:
    return plate.surface, plate.reconstruction_error, plate.latent_error
