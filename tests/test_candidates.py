"""The gate: which reviewed plates are for what, and when a challenger is refused."""

import json
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest

from fake_inspector import PROMISE
from platewatch.errors import InputError, ModelError
from platewatch.inspection import Inspection, Verdict, now
from platewatch.line import candidates, comparison
from platewatch.line.candidates import Material
from platewatch.line.comparison import Judged, Pair
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest
from platewatch.photographs.reading import sha256
from platewatch.records import Judgement, Records
from platewatch.records.exports import held_out

PASS, REVIEW, REJECT = Verdict.PASS, Verdict.REVIEW, Verdict.REJECT


class Stub:
    """A model that passes what begins with one of the given words, and rejects the rest."""

    def __init__(self, model_id: str, passes: tuple[bytes, ...], known: tuple[bytes, ...] = ()) -> None:
        calibration = tuple(SimpleNamespace(sha256=sha256(photograph)) for photograph in known)
        self.manifest = SimpleNamespace(model_id=model_id, promise=PROMISE, calibration=calibration)
        self._passes = passes

    def inspect(self, photograph: bytes) -> Inspection:
        return inspection(PASS if photograph.startswith(self._passes) else REJECT)


def inspection(verdict: Verdict | None) -> Inspection:
    return Inspection(
        verdict=verdict,
        reason="as told",
        score=None if verdict is None else 0.5 if verdict is PASS else 3.0,
        threshold=2.0,
        p_value=None if verdict is None else 0.5,
        model_id="champion0000",
        time=now(),
        duration_ms=1.0,
    )


def stub(model_id: str, *passes: bytes, known: tuple[bytes, ...] = ()) -> Inspector:
    return cast(Inspector, Stub(model_id, passes, known))


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
    found = candidates.compare(
        gathered(records), stub("champion0000", b"worn"), stub("challenger00", b"rusty"), records.photograph, print
    )
    assert not found.accepted
    assert found.refused == ("passes 1 of 2 defective plates that the model in service catches: rusty",)
    assert {each.name: each.missed for each in found.defective} == {"rusty": False, "worn": True}
    assert found.figures()["defective"] == {"plates": 2, "champion_passes": 1, "challenger_passes": 1}


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
    found = candidates.compare(gathered(records), *both, records.photograph, print)
    file = comparison.file_of(tmp_path, "challenger00")
    assert comparison.read(file) is None
    comparison.write(found, file)
    assert comparison.read(file) == found
    schema = json.loads((resources.files("platewatch") / "schemas/comparison.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(file.read_text(encoding="utf-8")), schema)
    file.write_text("{}")
    with pytest.raises(ModelError, match="no comparison"):
        comparison.read(file)
