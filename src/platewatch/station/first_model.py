"""The page First model: from a name and photographs through preflight and training to a model in service.

Everything that a person has done lies in the draft on disk (line/drafts.py), so the page shows the step where it was.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.decision.verdict import HOLDS
from platewatch.errors import InputError
from platewatch.line.drafts import FEWEST, MOST, Draft, Drafts
from platewatch.model import model_folder
from platewatch.photographs import reading, thumbnails
from platewatch.station import import_folders, model_cards, model_changes, training_packages, uploads
from platewatch.station.first_model_runs import FirstModelRuns
from platewatch.station.model_cards import ModelCard
from platewatch.station.model_changes import ModelChanges
from platewatch.station.pages import render
from platewatch.station.problem_details import RequestError
from platewatch.station.rest import STRICT, Viewer, in_thread, json_response, routes, station
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

router = routes()
ENOUGH = 50
"""Photographs that a good model is made of."""
MADE = "model_made"
"""The event in the record: a model was made in the browser, of how many photographs, and which were left out."""
_SIDE = 240  # px of a thumbnail
Engineer = Annotated[Account, needs(Right.MODEL)]
Name = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NewDraft:
    """The name of the model: the type of part that it is for."""

    name: Annotated[str, Field(min_length=1, max_length=40)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LeftOut:
    """Photographs that are left out of training, or taken in again."""

    names: Annotated[tuple[Name, ...], Field(max_length=MOST)]
    out: bool


@dataclass(frozen=True, kw_only=True, config=STRICT)
class IntoService:
    """The trained model goes into service."""

    reason: Annotated[str, Field(max_length=500)] = ""
    """Needed where a limit of the part type becomes looser; for the record."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FromFolder:
    """A folder of the station's machine, as the addresses that list folders name it."""

    folder: Annotated[str, Field(max_length=4096)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Grouping:
    """How photographs of one part, place, batch or day are told; empty for not at all."""

    group: Annotated[str, Field(max_length=200)] = ""


@router.get("/first-model", include_in_schema=False)
def page(request: Request, _: Viewer) -> Response:
    """The step at which the draft is."""
    runs = _runs(request)
    draft, found = runs.drafts.current(), station(request)
    step = runs.step()
    paths = runs.drafts.photographs() if draft else []
    model = runs.drafts.model
    shown = None
    if step == "card" and model is not None:
        shown = model_cards.read(model, f"{found.settings.public.prefix}/first-model/pictures")
    return render(
        request,
        f"first_model_{step}.html",
        step=step,
        draft=draft,
        photographs=_marked(paths, draft),
        run=runs.run,
        fewest=FEWEST,
        enough=ENOUGH,
        most=MOST,
        missing=training_packages.missing(found.settings.training_config),
        folders=found.settings.import_from,
        card=shown,
        holds=HOLDS,
        changes=None if shown is None or draft is None else _changes(found, draft.name, shown),
        why_none=found.models.why_none,
        has_model=not found.part_types.is_empty,
        known=draft is not None and draft.name in found.part_types.names(),
    )


@router.post("/first-model", status_code=201)
def begin(request: Request, account: Engineer, asked: NewDraft) -> Response:
    """Begin the draft of a model; there is one at a time."""
    draft = _runs(request).drafts.begin(asked.name, account.name)
    return json_response({"name": draft.name}, 201)


@router.get("/first-model/draft")
def draft_state(request: Request, _: Viewer) -> Response:
    """The draft: its step, its photographs, what preflight found, the running or last training; null without one."""
    runs = _runs(request)
    draft = runs.drafts.current()
    if draft is None:
        return json_response(None)
    run = runs.run
    return json_response(
        {
            "name": draft.name,
            "step": runs.step(),
            "photographs": _marked(runs.drafts.photographs(), draft),
            "report": draft.report,
            "group": draft.group,
            "running": run is not None and run.running,
            "failed": None if run is None else run.failed,
        }
    )


@router.delete("/first-model", status_code=204, response_class=Response)
def discard(request: Request, account: Engineer) -> Response:
    """Discard the draft: its photographs and a model that was not taken into service are removed."""
    _runs(request).discard(account.name)
    return Response(status_code=204)


@router.post("/first-model/photographs", status_code=201, openapi_extra=uploads.BODY)
async def add(request: Request, account: Engineer) -> Response:
    """Add a photograph of a good part, as bytes or as a form; the same one again is stored once."""
    here, runs = station(request), _runs(request)
    with here.arrivals.room() as room:
        plate = await uploads.read(request, here.settings, room, owner=account.name, source="page")
        assert isinstance(plate.photograph, bytes)  # noqa: S101 - an upload
        name = await in_thread(here.drawing_thread, runs.add, plate.name, plate.photograph)
    return json_response({"name": name, "photographs": len(runs.drafts.photographs())}, 201)


@router.get("/first-model/photographs/{name}/thumbnail.jpg", response_class=Response)
async def thumbnail(request: Request, _: Viewer, name: Name) -> Response:
    """A photograph of the draft as a small JPEG; a cross when it is not readable."""
    data = await in_thread(station(request).drawing_thread, _thumbnail, _runs(request).drafts, name)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.post("/first-model/left-out")
def leave_out(request: Request, _: Engineer, asked: LeftOut) -> Response:
    """Leave photographs out of training, or take them in again."""
    runs = _runs(request)
    runs.require_idle()
    draft = runs.drafts.leave_out(asked.names, out=asked.out)
    return json_response({"left_out": list(draft.left_out), "used": len(runs.drafts.used())})


@router.get("/first-model/folders")
def folders(request: Request, _: Engineer, folder: Annotated[str, Query(max_length=4096)] = "") -> Response:
    """Folders of the station's machine below those that `serve --import-from` allows, with their photographs."""
    return json_response(import_folders.listing(station(request).settings.import_from, folder))


@router.post("/first-model/folders")
def add_folder(request: Request, _: Engineer, asked: FromFolder) -> Response:
    """Copy the photographs of such a folder into the draft; says how many, and which are not and why."""
    here, runs = station(request), _runs(request)
    added, refused = 0, []
    for path in import_folders.photographs(here.settings.import_from, asked.folder):
        try:
            data = import_folders.read(path, here.settings)
            runs.add(path.name, data)
            added += 1
        except InputError as error:
            refused.append({"name": path.name, "why": error.reason})
    return json_response({"added": added, "refused": refused})


@router.post("/first-model/check", status_code=202)
def check(request: Request, account: Engineer, asked: Grouping) -> Response:
    """Have preflight look at the photographs; the draft has what it found."""
    _runs(request).check(account.name, asked.group)
    return json_response({"running": True}, 202)


@router.post("/first-model/training", status_code=202)
def train(request: Request, account: Engineer) -> Response:
    """Train the model on the photographs that were not left out."""
    _require_packages(request)
    _runs(request).train(account.name)
    return json_response({"running": True}, 202)


@router.post("/first-model/cancel", status_code=204, response_class=Response)
def cancel(request: Request, account: Engineer) -> Response:
    """End the running check or training."""
    _runs(request).cancel(account.name)
    return Response(status_code=204)


@router.post("/first-model/back", status_code=204, response_class=Response)
def back(request: Request, _: Engineer) -> Response:
    """Give up the trained model, or what preflight found, and go one step back."""
    _runs(request).back()
    return Response(status_code=204)


@router.get("/first-model/pictures/{name}", include_in_schema=False)
def picture(request: Request, _: Viewer, name: Name) -> Response:
    """A picture of the trained model's card."""
    return model_cards.send(_runs(request).drafts.model, name)


@router.post("/first-model/use")
def use(request: Request, account: Engineer, asked: IntoService | None = None) -> Response:
    """Take the trained model into service from the next plate on; its photographs stay, for retraining."""
    here, runs = station(request), _runs(request)
    runs.require_idle()
    drafts, draft = runs.drafts, runs.drafts.current()
    folder = drafts.publish(here.models.models_folder)  # raises without a draft or a trained model
    assert draft is not None  # noqa: S101 - it was published
    try:
        model_id = model_folder.load_manifest(folder).model_id
        made = {"model_id": model_id, "name": draft.name, "photographs": len(drafts.used())}
        here.records.event(MADE, account.name, made | {"left_out": list(draft.left_out)})
        before = _into_service(here, draft.name, folder, account.name, asked.reason if asked else "")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # the draft has it still
        raise
    drafts.finish()
    here.line.tail.wake()
    return json_response({"model_id": model_id, "before": before, "folder": folder.name})


def _into_service(here: Station, name: str, folder: Path, actor: str, reason: str) -> str:
    """Take a model into service for a part type, a new one if need be; returns the id of the one before.

    The first model of a station judges photographs without a part type too, so its part type stays without a name.
    """
    types = here.part_types
    if types.is_empty:
        return here.models.activate(model_folder.load_manifest(folder).model_id, actor, here.records)
    if name in types.names():
        return types.use(name, str(folder), actor, here.records, reason=reason)
    types.add(name, folder, actor, reason=reason)
    return ""


def _changes(here: Station, name: str, shown: ModelCard) -> ModelChanges:
    """What taking the trained model into service changes."""
    models = here.part_types.registry(name) if name in here.part_types.names() else None
    return model_changes.of(models, shown.manifest)


def _runs(request: Request) -> FirstModelRuns:
    found: FirstModelRuns = request.app.state.first_model
    return found


def _require_packages(request: Request) -> None:
    missing = training_packages.missing(station(request).settings.training_config)
    if missing is not None:
        what, expected = f"{missing.names} not installed on the station's PC", "the packages for training"
        raise RequestError(409, "not_installed", what, expected=expected, next=f"there, run: {missing.command}")


def _marked(paths: list[Path], draft: Draft | None) -> list[dict[str, Any]]:
    """Each photograph with its state, the reason and whether it was left out; what preflight marked comes first."""
    if draft is None:
        return []
    report = {each["name"]: each for each in (draft.report or {}).get("photographs", ())}
    found = []
    for path in paths:
        about = report.get(path.name, {})
        state, why = str(about.get("state", "used")), str(about.get("why", ""))
        out = path.name in draft.left_out
        found.append({"name": path.name, "state": state, "why": why, "group": about.get("group", ""), "out": out})
    return sorted(found, key=lambda each: (each["state"] == "used", not each["group"], each["group"], each["name"]))


def _thumbnail(drafts: Drafts, name: str) -> bytes:
    path = drafts.photograph(name)
    try:
        return thumbnails.jpeg(reading.shown(reading.load(path), name), _SIDE)
    except InputError:
        return thumbnails.unreadable(_SIDE)
