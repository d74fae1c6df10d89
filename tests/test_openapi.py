"""docs/openapi.json is what the station describes, and it is complete. To renew it: python tests/test_openapi.py."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stations
from stations import photograph

FILE = Path(__file__).parents[1] / "docs" / "openapi.json"


def description() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, stations.running(Path(folder)) as line:
        found: dict[str, Any] = line.app.openapi()
        return found


def text(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return description()


def operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_file_is_the_description(found: dict[str, Any]) -> None:
    assert FILE.read_text(encoding="utf-8") == text(found), "docs/openapi.json is behind: python tests/test_openapi.py"


def test_every_operation_has_a_tag_words_and_its_security(found: dict[str, Any]) -> None:
    tags = {each["name"] for each in found["tags"]}
    assert all(each["description"] for each in found["tags"])
    ids = [operation["operationId"] for _, _, operation in operations(found)]
    assert len(ids) == len(set(ids))
    assert set(found["components"]["securitySchemes"]) == {name for each in found["security"] for name in each}
    for method, path, operation in operations(found):
        assert set(operation["tags"]) <= tags, path
        assert operation["summary"], path
        assert operation["description"], path
        is_open = operation.get("security") == []
        assert is_open == (path in {"/healthz", "/login"}), f"{method} {path}"


def test_every_parameter_says_what_it_means_and_every_answer_what_it_is(found: dict[str, Any]) -> None:
    for method, path, operation in operations(found):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{method} {path} {parameter['name']}"
        for status, answer in operation["responses"].items():
            if status.startswith("2") and status != "204":
                assert answer.get("content"), f"{method} {path} {status}"
    body = found["paths"]["/inspections"]["post"]["requestBody"]["content"]
    assert {"image/png", "image/jpeg", "application/octet-stream", "multipart/form-data"} <= set(body)


def test_pictures_come_in_the_types_that_are_described(found: dict[str, Any], tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        line.client.post("/inspections", content=photograph())
        for path in ("/inspections/{number}/photograph", "/inspections/{number}/overlay.png", "/metrics"):
            answer = line.client.get(path.replace("{number}", "1"))
            assert answer.status_code == 200
            kind = answer.headers["content-type"].partition(";")[0]
            assert kind in found["paths"][path]["get"]["responses"]["200"]["content"], path


if __name__ == "__main__":
    FILE.write_text(text(description()), encoding="utf-8")
