"""Comparison of a candidate with the model in service: the verdicts of both on the same plates, and its file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from platewatch import files
from platewatch.errors import ModelError
from platewatch.inspection import SCHEMA, Verdict


@dataclass(frozen=True)
class Judged:
    """What one model says of one plate; `verdict` is None when the photograph is not readable."""

    verdict: Verdict | None
    score: float | None
    threshold: float

    @property
    def passed(self) -> bool:
        """Whether the plate goes on without a person."""
        return self.verdict is Verdict.PASS


@dataclass(frozen=True)
class Pair:
    """One plate, judged by both."""

    number: int
    """In the record."""
    name: str
    missed: bool
    """Whether it passed at the line although it is defective."""
    champion: Judged
    challenger: Judged


@dataclass(frozen=True)
class UnusablePair:
    """An unusable photograph, judged by both; the right verdict is REVIEW."""

    name: str
    """How it was made unusable, and of which photograph."""
    champion: Judged
    challenger: Judged


@dataclass(frozen=True)
class Candidate:
    """A model that is compared, with its own false-alarm bound."""

    model_id: str
    good_plates: int
    false_alarm_rate: float
    upper_95: float


@dataclass(frozen=True)
class Comparison:
    """Both models on the same plates, and why the candidate is refused, if it is."""

    champion: Candidate
    challenger: Candidate
    held_out: tuple[Pair, ...]
    defective: tuple[Pair, ...]
    trained_on: int
    """Plates reviewed as good that joined the training."""
    gone: int
    """Reviewed plates left out because their photographs are not stored."""
    contradictory: int
    """Photographs left out because they were reviewed both as good and as defective."""
    chance: float
    """Probability that by chance so many fewer of the held-out good plates pass (exact, paired, one-sided)."""
    refused: tuple[str, ...]
    """Why it is refused, one sentence each; empty when it is accepted."""
    unscored: int = 0
    """Plates reviewed as good that were left out because their photographs have no score."""
    unusable: tuple[UnusablePair, ...] = ()
    """Empty, dark, clipped, blurred and cut-off photographs, made of training photographs."""
    findings: tuple[str, ...] = ()
    """What preflight found in the candidate's training photographs, a sentence each."""
    loosened: tuple[str, ...] = ()
    """Limits that are looser than those of the model in service, a sentence each."""
    loosened_because: str = ""
    """The reason that a person gave for allowing that; empty when nobody did."""

    @property
    def accepted(self) -> bool:
        """Whether it may be taken into service."""
        return not self.refused

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"schema": SCHEMA, "accepted": self.accepted, **asdict(self)}

    def figures(self) -> dict[str, Any]:
        """The details of the record's event: the figures without the plates."""
        return {
            "champion": self.champion.model_id,
            "challenger": self.challenger.model_id,
            "accepted": self.accepted,
            "refused": list(self.refused),
            "trained_on": self.trained_on,
            "held_out": counts(self.held_out),
            "defective": counts(self.defective),
            "chance": self.chance,
            "unusable": counts(self.unusable),
            "findings": list(self.findings),
            "loosened": list(self.loosened),
            "loosened_because": self.loosened_because,
        }


_ADAPTER = TypeAdapter(Comparison)


def file_of(models: Path, model_id: str) -> Path:
    """File of a candidate's comparison: beside its folder."""
    return models / f"{model_id}.comparison.json"


def write(comparison: Comparison, file: Path) -> None:
    """Write the comparison as JSON; raises OutputError."""
    text = json.dumps(comparison.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    files.write(file, text + "\n")


def read(file: Path) -> Comparison | None:
    """A comparison that `write` wrote, None where there is none; raises ModelError when it is damaged."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        content = {name: value for name, value in values.items() if name not in ("schema", "accepted")}
        return _ADAPTER.validate_python(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:  # pydantic's is a ValueError
        raise ModelError(file, "no comparison that this Platewatch wrote", remedy="retrain to make one") from error


def counts(pairs: Sequence[Pair] | Sequence[UnusablePair]) -> dict[str, int]:
    """How many plates there are, and how many each model passes."""
    champion, challenger = (sum(getattr(pair, name).passed for pair in pairs) for name in ("champion", "challenger"))
    return {"plates": len(pairs), "champion_passes": champion, "challenger_passes": challenger}
