"""Retraining: a candidate learns from reviewed good plates too, and is refused when it is worse.

    MODELS/
    ├── 0123456789ab/                  a model folder, by its id
    └── 0123456789ab.comparison.json   its comparison with the model that was in service then

The same settings and seed as the model in service, so that only the photographs differ. No model is taken into service
here; a person does that.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from platewatch import files
from platewatch.errors import InputError, ModelError, OutputError
from platewatch.learning import fitting, preflight
from platewatch.learning.groups import Told
from platewatch.learning.preflight import GoodPlates
from platewatch.learning.regions import Kept
from platewatch.line import candidates, unusable_photographs
from platewatch.line import comparison as comparisons
from platewatch.line.candidates import Material, Training
from platewatch.line.comparison import Comparison
from platewatch.model import verification
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest
from platewatch.photographs import data_sets, formats, grouping, reading
from platewatch.progress import Progress
from platewatch.records import Records


@dataclass(frozen=True)
class Retrained:
    """A candidate, whether accepted or not."""

    folder: Path
    comparison: Comparison


def retrain(
    champion: Path,
    records: Records,
    data: Path,
    models: Path,
    *,
    actor: str,
    progress: Progress,
    part_type: str = "",
    loosen_because: str = "",
    found: Callable[[str], object] = str,
) -> Retrained:
    """Train a candidate on DATA and the plates of a part type reviewed as good, compare it with `champion`, write both.

    `data` holds the photographs that the champion learned from, as for `platewatch train`. No limit of the candidate is
    looser than the champion's, unless `loosen_because` gives a reason, which the record keeps. `found` gets each
    finding of preflight. Raises InputError when the reviews do not suffice, and what training raises.
    """
    serving = Inspector(champion)
    material = candidates.gather(records, serving.manifest, part_type)
    candidates.check(material)
    fitting.check_installed(serving.manifest.config)
    try:
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".retraining.", dir=models) as work:
            lay_out(material, records, data, Path(work) / "data")
            held = None if loosen_because else serving.manifest
            folder = Path(work) / "model"
            findings = _train(Path(work) / "data", folder, serving, held=held, found=found, progress=progress)
            bits = serving.manifest.config.bits
            unusable = unusable_photographs.from_training(data_sets.training(data), bits)
            training = Training(unusable, findings, loosen_because)
            compared = _compare(material, serving, folder, records, progress, training=training)
            folder = _keep(folder, compared, models)
    except OSError as error:
        raise OutputError(
            models, f"cannot be written ({error.strerror or error})", remedy="free space or check it"
        ) from error
    named = {"part_type": part_type} if part_type else {}
    records.event(candidates.TRAINED, actor, compared.figures() | named)
    return Retrained(folder, compared)


def lay_out(material: Material, records: Records, data: Path, folder: Path) -> int:
    """Put the photographs to learn from into `folder`/train/good; returns how many.

    Originals that were since reviewed as defective, or that are held out, are left out.
    """
    good = folder / "train" / data_sets.GOOD
    good.mkdir(parents=True)
    banned = {plate.photograph_sha256 for plate in (*material.held_out, *material.defective, *material.contradictory)}
    seen = set[str]()
    for path in data_sets.training(data):
        sha256 = reading.sha256(reading.load(path))
        if sha256 not in banned:
            shutil.copyfile(path, good / path.name)
            seen.add(sha256)
    for plate in material.training:
        photograph = records.photograph(plate.number)
        if photograph is not None and plate.photograph_sha256 not in seen:
            (good / f"reviewed-{plate.number}{formats.suffix(photograph)}").write_bytes(photograph)
            seen.add(reading.sha256(photograph))
    return len(seen)


def _train(
    data: Path,
    out: Path,
    serving: Inspector,
    *,
    held: Manifest | None,
    found: Callable[[str], object],
    progress: Progress,
) -> tuple[str, ...]:
    """Train the model folder `out` with the settings and groups of the model in service; returns the findings."""
    settings = serving.manifest.config
    plates = preflight.read(data_sets.training(data), settings, progress)
    told, alone = _groups(plates, serving.manifest)
    looked = preflight.look(plates, settings, told)
    findings = (*preflight.findings(looked), *alone)
    for finding in findings:
        found(finding)
    fitting.fit(looked, settings, out, held=held, wanted=_region(serving), progress=progress)
    return findings


def _region(serving: Inspector) -> Kept | None:
    """The region of the model in service, which a new one keeps."""
    stated, checks = serving.manifest.region, serving.checks
    return None if stated is None or checks.region is None else Kept(checks.region, stated.source, checks.shape)


def _groups(plates: GoodPlates, served: Manifest) -> tuple[Told | None, tuple[str, ...]]:
    """The groups of the model in service, for its photographs and others that its rule knows, and a finding.

    The other photographs, those of reviewed plates among them, are each a group of their own: the finding says so.
    """
    if not served.grouping:
        return None, ()
    known, rule = {plate.sha256: plate.group for plate in served.calibration}, grouping.again(served.grouping)
    found = [
        known.get(sha256) or (rule and rule.of(path.name)) or ""
        for path, sha256 in zip(plates.paths, plates.sha256, strict=True)
    ]
    names = tuple(group or path.name for group, path in zip(found, plates.paths, strict=True))
    alone, of = sum(not group for group in found), len(found)
    words = f"{alone} of {of} photographs have no group by {served.grouping}: each counts as one of its own"
    return Told(served.grouping, names), (words,) if alone else ()


def _compare(
    material: Material,
    serving: Inspector,
    trained: Path,
    records: Records,
    progress: Progress,
    *,
    training: Training,
) -> Comparison:
    verified = verification.verify(trained)
    if not verified.equal:
        raise ModelError(
            trained, "the candidate judges its own plates differently when replayed", remedy="train it again"
        )
    found = candidates.compare(material, serving, Inspector(trained), records.photograph, progress, training=training)
    return replace(found, refused=(*found.refused, *verified.faults))


def _keep(trained: Path, found: Comparison, models: Path) -> Path:
    """Move the candidate to its name; its comparison is written first, so that no model is there without one."""
    folder = models / found.challenger.model_id
    if folder.exists():
        raise InputError(folder, "this very model is there already", remedy="review more plates before retraining")
    comparisons.write(found, comparisons.file_of(models, folder.name))
    files.rename(trained, folder)
    return folder
