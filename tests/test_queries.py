"""Nothing that a client sends in a query is ignored or altered; what is refused is named, with what would be taken."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import stations
from stations import Running, photograph
from test_station_security import _routes


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path) as running:
        running.post(125)
        yield running


def refused(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    error: dict[str, str] = answer.json()["error"]
    assert error["code"] == "invalid"
    return error


def test_an_unknown_parameter_is_refused_at_every_address(line: Running) -> None:
    number = 0
    for route in _routes(line):
        for method in route.methods or ():
            path = route.path.format(number=1, review_id=1, model_id="0123456789ab", name="hinge")
            error = refused(line.client.request(method, f"{path}?verdikt=REJECT", json={"judgement": "good"}))
            assert "'verdikt'" in error["message"], path
            number += 1
    assert number > 25
    assert line.records.reviews(1) == ()


def test_the_known_parameters_are_named(line: Running) -> None:
    assert (
        "of before, judgement, limit, model_id" in refused(line.client.get("/inspections?verdikt=REJECT"))["expected"]
    )
    assert refused(line.client.get("/model?id=1"))["expected"] == "of part_type"
    assert refused(line.client.get("/healthz?id=1"))["expected"] == "no parameter"
    assert (
        "name, part_type, plate_id, source"
        in refused(line.client.post("/inspections?plateid=1", content=photograph()))["expected"]
    )
    assert "outcome" in refused(line.client.get("/history?verdict=PASS"))["expected"]
    assert line.records.counts().received == 1


@pytest.mark.parametrize("query", ["verdict=PASS&verdict=REJECT", "limit=1&limit=2", "verdict=REJECT&Verdict=PASS"])
def test_a_parameter_that_would_be_overruled_is_refused(line: Running, query: str) -> None:
    refused(line.client.get(f"/inspections?{query}"))


@pytest.mark.parametrize("value", ["pass", "Pass", "", "good", "NOT READABLE"])
def test_a_refused_value_is_never_among_those_that_are_offered(line: Running, value: str) -> None:
    error = refused(line.client.get("/inspections", params={"verdict": value}))
    for offered in ("'PASS'", "'REVIEW'", "'REJECT'", "'FAILED'"):
        assert offered in error["message"]
    assert "'pass'" not in error["message"]


def test_every_message_keeps_the_letters_of_its_values(line: Running) -> None:
    made = line.client.post("/inspections/1/reviews", json={"judgement": "Good"})
    assert "'good'" in refused(made)["message"]
    assert "'rest' or 'page'" in refused(line.client.post("/inspections?source=REST", content=photograph()))["message"]


@pytest.mark.parametrize("query", ["plate_id=M%FCller", "text=%80", "plate_id=%C3", "%FC=1"])
def test_letters_that_are_not_utf_8_are_refused_and_not_replaced(line: Running, query: str) -> None:
    """Two ids of an older code page would become one."""
    for answer in (line.client.get(f"/inspections?{query}"), line.client.get(f"/history?{query}")):
        assert "UTF-8" in refused(answer)["expected"]
    refused(line.client.post(f"/inspections?{query}", content=photograph()))


def test_what_is_right_is_taken_as_before(line: Running) -> None:
    made = line.client.post("/inspections?plate_id=M%C3%BCller+7%2B&name=a%26b.png&source=page", content=photograph())
    assert (made.json()["plate_id"], made.json()["image"]) == ("Müller 7+", "a&b.png")
    for path in ("/inspections?limit=5&verdict=PASS&", "/history?text=&outcome=PASS&before=", "/events?"):
        with line.client.stream("HEAD", path) as answer:
            assert answer.status_code == 200, path
    assert line.client.get("/history/report.css?v=1").status_code == 200
    assert line.client.get("/login?next=/history").status_code == 200


@pytest.mark.parametrize("time", ["2026", "20261124", "1764000000", "-5", "2026.5", "1e9", " 2026", "+1", "nan", "inf"])
def test_a_number_alone_is_no_time(line: Running, time: str) -> None:
    """It would be taken for seconds or milliseconds since 1970."""
    for path in ("/inspections", "/counts"):
        for name in ("since", "until"):
            error = refused(line.client.get(path, params={name: time}))
            assert "such as 2026-11-24T06:00:00+01:00" in error["expected"], path
            assert name in error["message"]
    for path in ("/history", "/history.csv", "/history.jsonl", "/history/report"):
        error = refused(line.client.get(path, params={"since": time}))
        assert "2026-11-24T06:00" in error["expected"], path


def test_a_time_that_is_none_gets_an_example_and_others_are_taken(line: Running) -> None:
    for time in ("yesterday", "24.11.2026", "2026-11-24T06:00:00 01:00", ""):
        assert "2026-11-24T06:00" in refused(line.client.get("/counts", params={"since": time}))["expected"], time
    assert "zone" in refused(line.client.get("/counts?since=2026-11-24T06:00"))["message"]
    for time in ("2020-11-24T06:00:00+01:00", "2020-11-24T06:00:00Z", "2020-11-24 06:00:00.5-03:30"):
        assert line.client.get("/counts", params={"since": time}).json()["received"] == 1, time


@pytest.mark.parametrize(
    ("judgement", "redness", "status"),
    [("unusable", 0, 422), ("unusable", 80, 422), ("unusable", 125, 422), ("unusable", None, 201), ("good", 125, 201)],
)
def test_unusable_is_for_plates_without_a_score(
    line: Running, judgement: str, redness: int | None, status: int
) -> None:
    plate = line.client.post("/inspections", content=b"no picture" if redness is None else photograph(redness)).json()
    answer = line.client.post(f"/inspections/{plate['number']}/reviews", json={"judgement": judgement})
    assert answer.status_code == status
    if status == 422:
        assert "defective, good or unsure" in refused(answer)["expected"]
        assert line.records.reviews(plate["number"]) == ()
    unknown = line.client.post("/inspections/99/reviews", json={"judgement": judgement, "boxes": [[1, 2, 3, 4]]})
    assert unknown.status_code == 404


BOXES_OUTSIDE = (
    [60, 0, 5, 5],
    [0, 44, 5, 5],
    [64, 0, 1, 1],
    [0, 0, 65, 48],
    [5000, 5000, 9, 9],
    [-1, 0, 5, 5],
    [0, 0, 0, 5],
)


@pytest.mark.parametrize("box", BOXES_OUTSIDE)
def test_a_box_outside_of_the_photograph_is_refused(line: Running, box: list[int]) -> None:
    review = {"judgement": "defective", "boxes": [[0, 0, 64, 48], box]}
    error = refused(line.client.post("/inspections/1/reviews", json=review))
    assert (str(box) in error["message"], "64 × 48" in error["expected"]) == (True, True)
    assert line.records.reviews(1) == ()


def test_a_box_is_measured_on_the_photograph_as_people_see_it(line: Running) -> None:
    """48 wide and 64 high after the turn of its EXIF orientation."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(photograph(125))).save(out, "JPEG", exif=exif)
    plate = line.client.post("/inspections", content=out.getvalue()).json()
    for box, status in (([0, 60, 48, 4], 201), ([60, 0, 4, 48], 422)):
        review = {"judgement": "defective", "boxes": [box]}
        assert line.client.post(f"/inspections/{plate['number']}/reviews", json=review).status_code == status


def test_without_the_photograph_s_size_a_box_is_taken(line: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    line.client.post("/inspections", content=b"no picture")
    monkeypatch.setattr(line.records, "photograph", lambda number: None if number == 1 else b"no picture")
    for number in (1, 2):
        review = {"judgement": "defective", "boxes": [[5000, 5000, 9, 9]]}
        assert line.client.post(f"/inspections/{number}/reviews", json=review).status_code == 201
