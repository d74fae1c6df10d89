"""Photographs are stored once each and pruned as the policy says; those waiting for review stay."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from plate_rows import plate
from platewatch.errors import InputError, RecordError, RecordUnavailable
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Keep, Policy, Records

PASS, REVIEW, REJECT = Verdict
MB = 1_000_000


@pytest.fixture
def records(record_url: str, tmp_path: Path) -> Iterator[Records]:
    with Records.open(record_url, tmp_path / "photographs", Policy(review_share=0)) as opened:
        yield opened


def data(number: int, size: int = 100) -> bytes:
    return bytes([number]) * size


def kept(records: Records) -> list[int]:
    """The numbers of the plates whose photographs can be looked at; the row and the file agree."""
    found = list[int]()
    for number in range(1, records.head().entries + 1):
        there = records.photograph(number) is not None
        assert records.get(number).photograph_kept == there
        found += [number] if there else []
    return found


def age(url: str, days: float) -> None:
    """Let every photograph be older by so many days."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE photographs SET stored = stored - {round(days * 86_400_000_000)}"))
    engine.dispose()


def test_equal_photographs_are_one_file_named_by_its_hash(records: Records, tmp_path: Path) -> None:
    for _ in range(2):
        records.add(plate(), b"photograph")
    sha256 = hashlib.sha256(b"photograph").hexdigest()
    files = [path.relative_to(tmp_path).as_posix() for path in (tmp_path / "photographs").rglob("*") if path.is_file()]
    assert files == [f"photographs/{sha256[:2]}/{sha256[2:4]}/{sha256}"]
    assert records.get(2).photograph_sha256 == sha256


def test_without_bytes_or_folder_the_plate_is_recorded(records: Records, postgresql: str) -> None:
    import servers

    assert not records.add(plate()).entry.photograph_kept
    with Records.open(servers.new_database(postgresql, f"bare_{id(records)}")) as bare:
        entry = bare.add(plate(), b"photograph").entry
        assert (entry.photograph_kept, bare.photograph(1), bare.prune().photographs) == (False, None, 0)
        assert entry.photograph_sha256 == hashlib.sha256(b"photograph").hexdigest()
        assert bare.audit().intact


def test_beside_an_sqlite_file_photographs_have_their_folder(tmp_path: Path) -> None:
    with Records.open(str(tmp_path / "deep" / "records.db")) as records:
        records.add(plate(), b"photograph")
    assert (tmp_path / "deep" / "records.db.photographs").is_dir()


def test_an_altered_photograph_is_never_returned(records: Records, tmp_path: Path) -> None:
    records.add(plate(), b"photograph")
    (file,) = (path for path in (tmp_path / "photographs").rglob("*") if path.is_file())
    file.write_bytes(b"another")
    with pytest.raises(RecordError, match="altered"):
        records.photograph(1)


def test_only_plates_that_did_not_pass_and_sampled_ones_are_stored(record_url: str, tmp_path: Path) -> None:
    with Records.open(record_url, tmp_path, Policy(keep=Keep.NOT_PASSED, review_share=0.5)) as records:
        for number in range(20):
            records.add(plate([PASS, REVIEW, REJECT, None][number % 4], duration_ms=number), data(number))
        drawn = [entry.number for entry in records.queue(100).entries if entry.sampled]
        assert kept(records) == sorted({*drawn, *(number for number in range(1, 21) if number % 4 != 1)})
        assert 0 < len(drawn) < 5
        assert records.prune().photographs == 0
        assert records.audit().intact


def test_old_photographs_are_pruned_unless_they_wait_for_review(records: Records, record_url: str) -> None:
    for number, verdict in enumerate([PASS, REVIEW, REJECT, None], start=1):
        records.add(plate(verdict), data(number))
    records.review(3, Judgement.DEFECTIVE, "anna")
    records.policy = Policy(days=10)
    assert records.prune().photographs == 0
    age(record_url, 11)
    records.add(plate(), data(5))
    pruned = records.prune()
    assert (pruned.photographs, pruned.bytes, pruned.left_bytes) == (2, 200, 300)
    assert kept(records) == [2, 3, 5], "waiting for review, reviewed, new"
    (event,) = records.events("photographs pruned")
    assert event.details["plates"] == [[1, 1], [4, 4]]
    assert records.prune().photographs == 0
    assert records.get(1).photograph_sha256 == hashlib.sha256(data(1)).hexdigest()
    assert records.audit().intact


def test_for_lack_of_space_the_oldest_passing_ones_are_pruned_first(records: Records) -> None:
    for number, verdict in enumerate([REJECT, PASS, REVIEW, PASS, PASS], start=1):
        records.add(plate(verdict), data(number, MB))
    records.review(1, Judgement.DEFECTIVE, "anna")
    for megabytes, left in ((5, [1, 2, 3, 4, 5]), (4, [1, 3, 4, 5]), (2.5, [1, 3]), (1, [3])):
        records.policy = Policy(gigabytes=megabytes / 1000)
        assert records.prune().over_bytes == 0
        assert kept(records) == left
    records.policy = Policy(gigabytes=0.0005)
    pruned = records.prune()
    assert (pruned.photographs, pruned.left_bytes, pruned.over_bytes) == (0, MB, MB // 2)
    assert kept(records) == [3]
    assert records.audit().intact


def test_pruning_goes_on_in_batches(records: Records, record_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.records.pruning._BATCH", 3)
    for number in range(10):
        records.add(plate(), data(number))
    records.policy = Policy(gigabytes=250 / 1e9)
    assert records.prune().photographs == 8
    assert kept(records) == [9, 10]
    age(record_url, 2)
    records.policy = Policy(days=1)
    assert records.prune().photographs == 2
    assert records.audit().intact


def test_a_pruned_photograph_that_is_added_again_is_stored_again(records: Records, record_url: str) -> None:
    records.add(plate(), b"photograph")
    age(record_url, 2)
    records.policy = Policy(days=1)
    assert records.prune().photographs == 1
    records.add(plate(), b"photograph")
    assert kept(records) == [1, 2]
    assert records.audit().intact


def test_files_left_by_a_crash_are_removed_by_the_next_pruning(
    records: Records, record_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.add(plate(), b"photograph")
    age(record_url, 2)
    records.policy = Policy(days=1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _denied)
        with pytest.raises(RecordUnavailable, match="removed"):
            records.prune()
    assert not records.get(1).photograph_kept
    assert records.audit().intact
    assert records.prune().photographs == 0
    assert [path for path in (tmp_path / "photographs").rglob("*") if path.is_file()] == []


def _denied(_path: Path, missing_ok: bool = False) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("wrong", [{"days": 0}, {"gigabytes": -1.0}, {"review_share": 1.5}, {"days": float("nan")}])
def test_an_invalid_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Policy(**wrong)  # type: ignore[arg-type]
