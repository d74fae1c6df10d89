"""A station in this process whose inspector sees redness alone: no training, no network, known answers."""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

import empty_records
import fake_inspector
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.model import model_folder
from platewatch.model.inspector import Examination, Inspector
from platewatch.photographs import reading
from platewatch.records import Policy, Records
from platewatch.station.app import create_app
from platewatch.station.settings import Settings
from platewatch.station.state import Station
from platewatch.station.users import Role, Users

PASSWORD = "correct horse battery"  # noqa: S105 - of users that exist in tests alone
HOME = "http://127.0.0.1"
UNSAMPLED = Policy(review_share=0)  # by default 2 % of the passing plates are queued at random, so a test may fail


class LineInspector(fake_inspector.FakeInspector):
    """The fake, for bytes as the line hands them in."""

    def examine(self, image: Any, name: str | None = None, **_options: Any) -> Examination:
        seen = super().examine(image)
        found = replace(
            seen.inspection, image=name, image_sha256=reading.sha256(image), model_id=self.manifest.model_id
        )
        return replace(seen, inspection=found)


def photograph(redness: int = 0, *, kind: str = "PNG", width: int = 64, height: int = 48) -> bytes:
    """A plate as a file: redness 0 passes, 80 is REVIEW, 125 is REJECT."""
    file = io.BytesIO()
    Image.fromarray(fake_inspector.photograph(redness, width, height)[0]).save(file, format=kind)
    return file.getvalue()


@dataclass(frozen=True)
class Running:
    """A station with a client that speaks to it."""

    app: FastAPI
    client: TestClient
    records: Records
    folder: Path
    users: Users

    @property
    def station(self) -> Station:
        found: Station = self.app.state.station
        return found

    def post(self, redness: int = 0, **options: Any) -> Any:
        """Hand a plate in; its answer's JSON."""
        answer = self.client.post("/inspections", content=photograph(redness), **options)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def log_in(self, name: str) -> str:
        """Log the client in; what it has to send as X-CSRF-Token."""
        answer = self.client.post("/login", data={"name": name, "password": PASSWORD}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return str(self.client.get("/session").json()["csrf"])


def models(folder: Path) -> ModelRegistry:
    """The fake in service, from a folder that has what a model folder has at least."""
    first = folder / "models" / "first"
    first.mkdir(parents=True, exist_ok=True)
    (first / "manifest.json").write_text(json.dumps({"fake": True}))
    return ModelRegistry(first, load=lambda _: cast(Inspector, LineInspector()))


def without_model(folder: Path) -> ModelRegistry:
    """No model yet; any folder of models that comes there is loaded as the fake."""
    return ModelRegistry(None, folder / "models", load=lambda _: cast(Inspector, LineInspector()))


@contextmanager
def running(
    folder: Path,
    *,
    policy: Policy = UNSAMPLED,
    registry: ModelRegistry | None = None,
    station: str = "",
    part_types: Callable[[Records], PartTypeModels] | None = None,
    **options: Any,
) -> Iterator[Running]:
    """A station that runs until the block ends; its record and users lie in `folder`."""
    users = Users(folder / "users.json")
    file = folder / "records.db"
    url = str(file) if file.exists() else empty_records.sqlite(file)
    with Records.open(url, policy=policy, station=station) as records:
        chosen: dict[str, Any] = {
            "users": users.path,
            "workers": 2,
            "low_bytes": 0,
            "training": folder / "training",
        } | options
        settings = Settings(**chosen)
        judging = registry or models(folder) if part_types is None else part_types(records)
        app = create_app(judging, records, settings)
        with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
            yield Running(app, client, records, folder, users)


def two_models(models_folder: Path, folder: Path) -> str:
    """Copy a model to `models_folder` as `first` and, with another threshold, as `second`; returns the second's id."""
    for name in ("first", "second"):
        shutil.copytree(folder, models_folder / name)
    manifest = model_folder.load_manifest(models_folder / "second")
    other = replace(manifest, decision=replace(manifest.decision, threshold=manifest.threshold + 1))
    model_folder.write_manifest(models_folder / "second", other)
    return other.model_id


def enrol(users: Users) -> dict[Role, str]:
    """One user of each role, named like it, with PASSWORD; and each one's token."""
    content, tokens = _enrolled()
    users.path.touch(mode=0o600)
    users.path.write_bytes(content)
    return dict(tokens)


@cache
def _enrolled() -> tuple[bytes, dict[Role, str]]:
    """The users' file, made once, as a hash takes long on purpose."""
    with tempfile.TemporaryDirectory() as folder:
        users, tokens = Users(Path(folder) / "users.json"), {}
        for role in Role:
            users.add(role, role, PASSWORD)
            tokens[role] = users.add(role, role) or ""
        return users.path.read_bytes(), tokens


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
