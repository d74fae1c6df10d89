"""Nothing that a client sends in a query is ignored or altered; what is refused is named, with what would be taken."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
            path = route.path.format(number=1, review_id=1, model_id="0123456789ab")
            error = refused(line.client.request(method, f"{path}?verdikt=REJECT", json={"judgement": "good"}))
            assert "'verdikt'" in error["message"], path
            number += 1
    assert number > 25
    assert line.records.reviews(1) == ()


def test_the_known_parameters_are_named(line: Running) -> None:
    assert (
        "of before, judgement, limit, model_id" in refused(line.client.get("/inspections?verdikt=REJECT"))["expected"]
    )
    assert refused(line.client.get("/model?id=1"))["expected"] == "no parameter"
    assert (
        "name, plate_id, source"
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
