"""The gate: which reviewed plates are for what, and when a challenger is refused."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import numpy as np
import pytest

from fake_inspector import PROMISE
from platewatch.arrays import Array
from platewatch.errors import InputError, ModelError
from platewatch.inspection import Inspection, Verdict, now
from platewatch.line import candidates, comparison
from platewatch.line.candidates import Material, Training
from platewatch.line.comparison import Judged, Pair
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest
from platewatch.model.region_file import RegionSettings
from platewatch.photographs.completeness import CompletenessLimits
from platewatch.photographs.part_shape import ShapeLimits
from platewatch.photographs.quality import QualityLimits
from platewatch.photographs.reading import sha256
from platewatch.records import Judgement, Records
from platewatch.records.exports import held_out

PASS, REVIEW, REJECT = Verdict.PASS, Verdict.REVIEW, Verdict.REJECT


LIMITS = QualityLimits(darkest=20, most_clipped=0.3, least_sharp=2, least_contrast=5)
FRAMING = CompletenessLimits({"aspect": (-0.1, 0.1), "area": (-2.0, 0.0)})
SHAPE = ShapeLimits(32, 0.002, (1e-4, 1e-4, 2e-3, 1e-4), (0.5,), 0.05, (-9.0, 9.0), mirrored=False)
WHOLE: dict[str, Any] = {"shape": SHAPE, "region": None, "region_sha256": None}
EMPTY = {"empty (001.png)": np.zeros((8, 8, 3), np.uint8)}


class Stub:
    """A model that passes what begins with one of the given words, and rejects the rest."""

    def __init__(self, model_id: str, passes: tuple[bytes, ...], known: tuple[bytes, ...] = (), **limits: Any) -> None:
        calibration = tuple(SimpleNamespace(sha256=sha256(photograph)) for photograph in known)
        self.manifest = SimpleNamespace(model_id=model_id, promise=PROMISE, calibration=calibration)
        usual = {"quality_limits": LIMITS, "completeness": FRAMING, "review": 1.0, "threshold": 2.0, **WHOLE}
        self.on_unusable: Verdict = limits.pop("on_unusable", REVIEW)
        vars(self.manifest).update(usual | limits)
        self._passes = passes

    def inspect(self, photograph: bytes | Array) -> Inspection:
        if not isinstance(photograph, bytes):
            return inspection(self.on_unusable)
        return inspection(PASS if photograph.startswith(self._passes) else REJECT)


def inspection(verdict: Verdict | None) -> Inspection:
    return Inspection(
        verdict=verdict,
        reason="as told",
        score={PASS: 0.5, REJECT: 3.0}.get(verdict) if verdict else None,
        threshold=2.0,
        p_value=None if verdict in (None, REVIEW) else 0.5,
        model_id="champion0000",
        time=now(),
        duration_ms=1.0,
    )


def stub(model_id: str, *passes: bytes, known: tuple[bytes, ...] = (), **limits: Any) -> Inspector:
    return cast(Inspector, Stub(model_id, passes, known, **limits))


def compared(records: Records, champion: Inspector, challenger: Inspector, because: str = "") -> comparison.Comparison:
    training = Training(EMPTY, ("look at 003.png: blurred",), because)
    return candidates.compare(gathered(records), champion, challenger, records.photograph, print, training=training)


@pytest.fixture
def records(tmp_path: Path) -> Any:
    with Records.open(f"sqlite:///{tmp_path / 'records.db'}") as opened:
        yield opened


def add(records: Records, photograph: bytes, judgement: Judgement, verdict: Verdict = REJECT) -> int:
    entry = records.add(inspection(verdict), photograph, plate_id=photograph.decode()).entry
    records.review(entry.number, judgement, "anna")
    return entry.number


def gathered(records: Records, *known: bytes) -> Material:
    manifest: Manifest = stub("champion0000", known=known).manifest
    return candidates.gather(records, manifest)


def names(entries: Any) -> set[str]:
    return {entry.plate_id for entry in entries}


def pair(champion: Verdict | None, challenger: Verdict | None, name: str = "A1") -> Pair:
    return Pair(1, name, False, Judged(champion, 1.0, 2.0), Judged(challenger, 1.0, 2.0))


def test_a_fifth_of_the_good_plates_is_held_out_by_hash_alone(records: Records) -> None:
    good = [f"good{number}".encode() for number in range(60)]
    for photograph in good:
        add(records, photograph, Judgement.GOOD)
    found = gathered(records)
    assert names(found.held_out) == {each.decode() for each in good if held_out(sha256(each))}
    assert 5 <= len(found.held_out) <= 20
    assert len(found.training) + len(found.held_out) == 60
    assert not names(found.training) & names(found.held_out)


def test_what_the_champion_learned_from_compares_nobody_and_joins_again(records: Records) -> None:
    good = [f"good{number}".encode() for number in range(12)]
    for photograph in good:
        add(records, photograph, Judgement.GOOD)
    found = gathered(records, *good)
    assert found.held_out == ()
    assert names(found.training) == {each.decode() for each in good if not held_out(sha256(each))}
    assert found.new == 0
    with pytest.raises(InputError, match="none new was called good"):
        candidates.check(found)


def test_missed_defects_join_the_challenge_and_nothing_else(records: Records) -> None:
    missed = add(records, b"worn", Judgement.DEFECTIVE, PASS)
    add(records, b"rusty", Judgement.DEFECTIVE)
    add(records, b"unclear", Judgement.UNSURE)
    found = gathered(records)
    assert names(found.defective) == {"worn", "rusty"}
    assert [entry.number for entry in found.missed] == [missed]
    assert (found.training, found.held_out) == ((), ())


def test_only_the_review_that_stands_counts(records: Records) -> None:
    number = add(records, b"plate", Judgement.DEFECTIVE)
    records.review(number, Judgement.GOOD, "bert")
    found = gathered(records)
    assert names((*found.training, *found.held_out)) == {"plate"}
    assert found.defective == ()


def test_whether_anything_was_said_since_is_cheap_to_see(records: Records) -> None:
    assert records.last_review() == 0
    number = add(records, b"plate", Judgement.GOOD)
    said = records.last_review()
    standing = records.get(number).review
    assert standing
    assert said == standing.id
    assert [plate.judgement for plate in records.reviewed()] == [Judgement.GOOD]
    records.undo(standing.id, "anna")
    assert records.last_review() > said
    assert records.reviewed() == ()


def test_one_photograph_called_good_and_defective_is_used_for_nothing(records: Records) -> None:
    add(records, b"plate", Judgement.DEFECTIVE)
    add(records, b"plate", Judgement.GOOD)
    found = gathered(records)
    assert names(found.contradictory) == {"plate"}
    assert (found.training, found.held_out, found.defective) == ((), (), ())


def test_a_photograph_counts_once_however_often_it_came(records: Records) -> None:
    for _ in range(3):
        add(records, b"rusty", Judgement.DEFECTIVE)
    assert len(gathered(records).defective) == 1


def test_too_few_reviewed_plates_are_refused_before_anything_is_trained(records: Records) -> None:
    with pytest.raises(InputError, match="none new was called good"):
        candidates.check(gathered(records))
    for number in range(4):
        add(records, f"good{number}".encode(), Judgement.GOOD)
    with pytest.raises(InputError, match=r"4 were called good, .* expected 5 \(one in five is held out\)"):
        candidates.check(gathered(records))


def test_a_challenger_that_passes_what_is_caught_now_is_refused(records: Records) -> None:
    add(records, b"rusty", Judgement.DEFECTIVE)
    add(records, b"worn", Judgement.DEFECTIVE, PASS)
    found = compared(records, stub("champion0000", b"worn"), stub("challenger00", b"rusty"))
    assert not found.accepted
    assert found.refused == ("passes 1 of 2 defective plates that the model in service catches: rusty",)
    assert {each.name: each.missed for each in found.defective} == {"rusty": False, "worn": True}
    assert found.figures()["defective"] == {"plates": 2, "champion_passes": 1, "challenger_passes": 1}


def test_nothing_is_learned_from_a_photograph_that_could_not_be_judged(records: Records) -> None:
    """Whoever calls an empty or dark photograph good: it neither joins the training nor compares anybody."""
    for number in range(20):
        add(records, f"dark{number}".encode(), Judgement.GOOD, REVIEW)
        add(records, f"good{number}".encode(), Judgement.GOOD)
    add(records, b"glare", Judgement.UNUSABLE, REVIEW)
    records.review(records.add(inspection(None), b"torn", plate_id="torn").entry.number, Judgement.GOOD, "anna")
    found = gathered(records)
    assert {name[:4] for name in names((*found.training, *found.held_out))} == {"good"}
    assert len(found.training) + len(found.held_out) == 20
    assert names(found.unscored) == {f"dark{number}" for number in range(20)} | {"torn"}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (REVIEW, REVIEW, False),
        (REVIEW, PASS, True),
        (REVIEW, REJECT, True),
        (PASS, PASS, True),
        (REJECT, REJECT, False),
    ],
)
def test_a_challenger_that_judges_an_unusable_photograph_is_refused(
    records: Records, before: Verdict, after: Verdict, refused: bool
) -> None:
    champion, challenger = stub("champion0000", on_unusable=before), stub("challenger00", on_unusable=after)
    found = compared(records, champion, challenger)
    text = f"judges 1 of 1 unusable photographs in place of sending them to review: empty (001.png) {after}"
    assert found.refused == ((text,) if refused else ())
    assert found.figures()["unusable"]["plates"] == 1


LOOSER = [
    ({"quality_limits": replace(LIMITS, darkest=10)}, "darkest 10 in place of 20"),
    ({"quality_limits": replace(LIMITS, least_sharp=1)}, "least sharp 1 in place of 2"),
    ({"quality_limits": replace(LIMITS, least_contrast=1)}, "least contrast 1 in place of 5"),
    ({"quality_limits": replace(LIMITS, most_clipped=0.9)}, "most clipped 0.9 in place of 0.3"),
    ({"completeness": None}, "completeness is not checked by aspect; completeness is not checked by area"),
    ({"completeness": CompletenessLimits({"aspect": (-0.1, 0.1)})}, "completeness is not checked by area"),
    ({"completeness": CompletenessLimits({**FRAMING.ranges, "area": (-3, 0)})}, "lowest area -3 in place of -2"),
    ({"completeness": CompletenessLimits({**FRAMING.ranges, "aspect": (0, 1)})}, "highest aspect 1 in place of 0.1"),
    ({"shape": None}, "the part's shape is not checked"),
    ({"shape": replace(SHAPE, level=8)}, "presence of an additional hole 8 in place of 32"),
    ({"shape": replace(SHAPE, less=0.003)}, "shape limit 'less' 0.003 in place of 0.002"),
    ({"shape": replace(SHAPE, corners=(2e-4, 2e-3, 1e-4, 1e-4))}, "limit of cut corners 0.0002 in place of 0.0001"),
    ({"shape": replace(SHAPE, covered=())}, "0 covered holes are checked in place of 1"),
    ({"shape": replace(SHAPE, turned=None)}, "parts may be turned farther"),
    ({"shape": replace(SHAPE, mirrored=True)}, "parts may lie with their other side up"),
    (
        {"region": RegionSettings(in_part=True, fraction=0.5, fill=(0, 0, 0), source="r.json"), "region_sha256": "ab"},
        "a region of 50% is inspected",
    ),
    ({"review": 1.5}, "review limit 1.5 in place of 1"),
    ({"threshold": 2.5}, "threshold limit 2.5 in place of 2"),
]


@pytest.mark.parametrize(("limits", "text"), LOOSER, ids=[text for _, text in LOOSER])
def test_a_looser_limit_needs_a_reason_and_the_record_gets_it(
    records: Records, limits: dict[str, Any], text: str
) -> None:
    champion, challenger = stub("champion0000"), stub("challenger00", **limits)
    refused = compared(records, champion, challenger)
    assert refused.refused == (f"loosens limits that protect, and nobody gave a reason: {text}",)
    allowed = compared(records, champion, challenger, because="new light source")
    assert allowed.accepted
    assert "; ".join(allowed.figures()["loosened"]) == text
    assert allowed.figures()["loosened_because"] == "new light source"
    assert compared(records, champion, champion).loosened == ()


def test_a_miss_of_both_is_no_reason_to_refuse() -> None:
    assert list(candidates.refusals([], [pair(PASS, PASS), pair(REJECT, REVIEW)])) == []


@pytest.mark.parametrize(("against", "for_it", "refused"), [(4, 0, False), (5, 0, True), (6, 1, False), (7, 1, True)])
def test_fewer_good_plates_passed_are_refused_beyond_chance(against: int, for_it: int, refused: bool) -> None:
    """5 : 0 has 1/32, 4 : 0 1/16; 7 : 1 has 9/256, 6 : 1 8/128."""
    pairs = [*[pair(PASS, REVIEW)] * against, *[pair(REVIEW, PASS)] * for_it, *[pair(PASS, PASS)] * 50]
    assert bool(list(candidates.refusals(pairs, []))) is refused


def test_chance_is_the_binomial_tail() -> None:
    assert candidates.chance([]) == 1
    assert candidates.chance([pair(PASS, REJECT)] * 3 + [pair(REJECT, PASS)]) == pytest.approx(5 / 16)


def test_what_cannot_be_read_passes_nowhere() -> None:
    assert list(candidates.refusals([], [pair(None, PASS)])) != []


def test_a_comparison_is_read_as_it_was_written(records: Records, tmp_path: Path) -> None:
    add(records, b"rusty", Judgement.DEFECTIVE)
    both = stub("champion0000", b"worn"), stub("challenger00", b"rusty")
    found = compared(records, *both)
    file = comparison.file_of(tmp_path, "challenger00")
    assert comparison.read(file) is None
    comparison.write(found, file)
    assert comparison.read(file) == found
    schema = json.loads((resources.files("platewatch") / "schemas/comparison.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(file.read_text(encoding="utf-8")), schema)
    file.write_text("{}")
    with pytest.raises(ModelError, match="no comparison"):
        comparison.read(file)
