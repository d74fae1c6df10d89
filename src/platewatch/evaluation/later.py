"""Good parts photographed later: what the line did with them, beside the bound that training stated."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platewatch.decision.verdict import FalseAlarmBound
from platewatch.errors import InputError
from platewatch.evaluation.metrics import Proportion
from platewatch.inspection import Verdict
from platewatch.photographs import data_sets, grouping
from platewatch.progress import Progress, silent

if TYPE_CHECKING:  # the caller passes the inspector
    from platewatch.model.inspector import Inspector


@dataclass(frozen=True)
class Later:
    """Verdicts on good plates that were photographed after training."""

    folder: str
    passed: int
    review: int
    reject: int
    trained_on: int
    """Photographs left out because the model was trained on them."""
    groups: Proportion | None
    """Groups with a plate that is REJECT; None where the bound counts no groups, or no rule gives theirs."""
    failed: tuple[tuple[str, str], ...]
    """Path and error of each photograph that is not readable."""
    bound: FalseAlarmBound

    @property
    def plates(self) -> int:
        return self.passed + self.review + self.reject

    @property
    def rejected(self) -> Proportion:
        return Proportion(self.reject, self.plates)

    @property
    def not_passed(self) -> Proportion:
        """REVIEW and REJECT together."""
        return Proportion(self.review + self.reject, self.plates)

    @property
    def beyond_bound(self) -> bool:
        """Whether more are REJECT than the bound allows: the whole 95 % interval lies above its upper limit."""
        return (self.groups or self.rejected).interval[0] > self.bound.upper_95

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as `later` in schemas/evaluation.json."""
        return {
            "folder": self.folder,
            "plates": self.plates,
            "pass": self.passed,
            "review": self.review,
            "reject": self.reject,
            "rejected": self.rejected.as_dict(),
            "not_passed": self.not_passed.as_dict(),
            "groups": self.groups and self.groups.as_dict(),
            "trained_on": self.trained_on,
            "beyond_bound": self.beyond_bound,
            "failed": [{"path": path, "error": error} for path, error in self.failed],
        }


def judge(inspector: "Inspector", folder: Path, progress: Progress = silent) -> Later:
    """Judge every photograph of a folder of good plates; raises InputError when none of them can be counted."""
    manifest = inspector.manifest
    known = {plate.sha256 for plate in manifest.calibration if plate.sha256}
    paths, failed, trained_on = data_sets.training(folder), [], 0
    judged: list[tuple[Path, Verdict]] = []
    for done, path in enumerate(paths, start=1):
        try:
            inspection = inspector.examine(path).inspection
        except InputError as error:
            failed.append((str(path), str(error)))
        else:
            trained_on += inspection.image_sha256 in known
            if inspection.image_sha256 not in known:
                judged.append((path, inspection.verdict or Verdict.REVIEW))  # never None: examine() would raise
        progress("inspecting later plates", done, len(paths))
    if not judged:
        what = f"of {len(paths)} photographs {trained_on} were trained on and {len(failed)} are not readable"
        raise InputError(folder, what, expected="photographs taken later", remedy="name another --later folder")
    counts = Counter(verdict for _, verdict in judged)
    groups = _groups(manifest.grouping, judged) if manifest.promise.by_group else None
    return Later(
        folder=str(folder),
        passed=counts[Verdict.PASS],
        review=counts[Verdict.REVIEW],
        reject=counts[Verdict.REJECT],
        trained_on=trained_on,
        groups=groups,
        failed=tuple(failed),
        bound=manifest.promise,
    )


def _groups(rule: str, judged: Sequence[tuple[Path, Verdict]]) -> Proportion | None:
    """The groups with a REJECT by the rule of the training's groups; None when it does not give every plate one."""
    told = grouping.again(rule)
    names = [told.of(path.name) if told else None for path, _ in judged]
    if None in names:
        return None
    above = {name for name, (_, verdict) in zip(names, judged, strict=True) if verdict is Verdict.REJECT}
    return Proportion(len(above), len(set(names)))
