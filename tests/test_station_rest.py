"""The REST service as a gateway meets it: plates, the record, reviews, the model, and one shape for what is refused."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import stations
from stations import Running, photograph

RECORDS_OWN = ("number", "plate_id", "source", "received", "photograph_sha256", "photograph_kept", "sampled", "outcome")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path) as running:
        yield running


def check_inspection(values: dict[str, Any]) -> None:
    """The same schema as the command line's, beside what the record adds."""
    own = {name: value for name, value in values.items() if name not in (*RECORDS_OWN, "review", "chain")}
    schema = json.loads((resources.files("platewatch") / "schemas/inspection.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(own)
    assert len(values) == len(own) + len(RECORDS_OWN) + 2


def test_a_plate_is_judged_recorded_and_answered(line: Running) -> None:
    answer = line.client.post("/inspections?plate_id=A-17&name=cam1.png", content=photograph(125))
    assert (answer.status_code, answer.headers["location"]) == (201, "/inspections/1")
    found = answer.json()
    check_inspection(found)
    assert (found["number"], found["verdict"], found["plate_id"], found["image"]) == (1, "REJECT", "A-17", "cam1.png")
    assert line.records.get(1).inspection.as_dict() == {
        name: found[name] for name in line.records.get(1).inspection.as_dict()
    }
    assert line.client.get("/inspections/1").json() == found


def test_the_same_key_gives_the_first_entry(line: Running) -> None:
    first = line.client.post("/inspections", content=photograph(), headers={"Idempotency-Key": "k1"})
    again = line.client.post("/inspections", content=photograph(), headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = line.client.post("/inspections", content=photograph(80), headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")
    assert line.records.counts().received == 1
