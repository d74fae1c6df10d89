"""A station that has no model yet: it says so, loses nothing, and takes the first model into service."""

from pathlib import Path

import pytest

import stations
from conftest import Tiny
from platewatch.errors import NoModel
from platewatch.line.model_registry import ModelRegistry
from platewatch.records import Records
from stations import photograph


def test_without_a_model_every_upload_is_refused_with_the_reason_and_nothing_is_recorded(tmp_path: Path) -> None:
    with stations.running(tmp_path, registry=stations.without_model(tmp_path)) as line:
        answer = line.client.post("/inspections", content=photograph(), headers={"Idempotency-Key": "a"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_model")
        assert "no model yet" in answer.json()["error"]["message"]
        assert answer.headers["Retry-After"]
        health = line.client.get("/healthz")
        assert (health.status_code, health.json()["model_id"]) == (503, None)
        assert [problem["code"] for problem in health.json()["problems"]] == ["no_model"]
        assert line.client.get("/model").json()["error"]["code"] == "no_model"
        assert line.client.get("/counts").json()["received"] == 0


def test_the_first_model_is_taken_into_service_and_again_after_a_restart(tmp_path: Path, tiny_model: Tiny) -> None:
    stations.two_models(tmp_path / "models", tiny_model.model)
    with Records.open(f"sqlite:///{tmp_path / 'records.db'}") as records:
        models = ModelRegistry(None, tmp_path / "models")
        assert models.resume(records) is None
        with pytest.raises(NoModel, match="no model yet"):
            models.inspector()
        first, second = (each.model_id for each in models.available())
        assert models.activate(first, "anna", records) == ""
        assert models.activate(second, "anna", records) == first
        again = ModelRegistry(None, tmp_path / "models")
        assert again.resume(records) is None
        assert again.model_id == second
        named = ModelRegistry(again.folder)  # the command line names a model, and another one is activated
        assert named.activate(first, "anna", records) == second
        unnamed = ModelRegistry(None, tmp_path / "models")
        assert (unnamed.resume(records), unnamed.model_id) == (None, first)
        assert unnamed.activate(second, "anna", records) == first
        (again.folder / "manifest.json").unlink()
        lost = ModelRegistry(None, tmp_path / "models")
        assert "not available" in str(lost.resume(records))
        with pytest.raises(NoModel, match=f"model {second}"):
            lost.inspector()
