"""The models' page: what is in service, what is on the shelf, how each challenger fared, and retraining."""

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from platewatch.errors import InputError
from platewatch.line import candidates
from platewatch.line.candidates import Material
from platewatch.line.model_registry import ACTIVATED
from platewatch.model import model_folder
from platewatch.station import retraining_runs
from platewatch.station.pages import render
from platewatch.station.rest import Viewer, answer, station
from platewatch.station.retraining_runs import RetrainingRuns, Run
from platewatch.station.security import needs
from platewatch.station.users import Account, Right

router = APIRouter()


@router.get("/models", include_in_schema=False)
def models(request: Request, _: Viewer) -> Response:
    """The model in service, the shelf, and the challengers' comparisons."""
    here, training = station(request), _challengers(request)
    manifest = here.models.loaded().manifest
    material = training.material(here.records)
    activated = next(iter(here.records.events(ACTIVATED, limit=1)), None)
    if activated is not None and activated.details.get("model_id") != manifest.model_id:
        activated = None
    folder, models = here.models.models_folder, here.models.available()
    available = [(each, retraining_runs.comparison_of(folder, each.model_id)) for each in models]
    known = {each.model_id for each, _ in available}
    before = None if activated is None else activated.details.get("before")
    return render(
        request,
        "models.html",
        manifest=manifest,
        activated=activated,
        before=before if before in known else None,
        card=_card(request),
        material=material,
        obstacle=_obstacle(training, material),
        run=_shown(training.run, {each.model_id: comparison for each, comparison in available}),
        available=sorted(available, key=lambda pair: (not pair[0].in_service, pair[0].model_id)),
    )


@router.post("/models/retraining", status_code=202)
def retrain(request: Request, account: Annotated[Account, needs(Right.MODEL)]) -> Response:
    """Begin to train a challenger on the plates reviewed as good; GET says how far it is."""
    here, training = station(request), _challengers(request)
    if training.possible:
        candidates.check(training.material(here.records))
    return answer(asdict(training.start(account.name)), 202)


@router.get("/models/retraining")
def retraining(request: Request, _: Viewer) -> Response:
    """The retraining that is going on, or the last one; null when there was none since the station started."""
    run = _challengers(request).run
    return answer(None if run is None else asdict(run))


@router.get("/models/{model_id}/comparison")
def comparison(request: Request, _: Viewer, model_id: str) -> Response:
    """How a challenger fared, plate by plate; null when the model was none."""
    known = {each.model_id for each in station(request).models.available()}
    found = (
        retraining_runs.comparison_of(station(request).models.models_folder, model_id) if model_id in known else None
    )
    return answer(None if found is None else found.as_dict())


def _challengers(request: Request) -> RetrainingRuns:
    found: RetrainingRuns = request.app.state.challengers
    return found


def _obstacle(training: RetrainingRuns, material: Material) -> str | None:
    """Why no challenger can be trained now."""
    if not training.possible:
        return "Start the station with --data DATA, the photographs that the model learned from."
    try:
        candidates.check(material)
    except InputError as error:
        text = error.reason
        return text[:1].upper() + text[1:] + "."
    return None


def _shown(run: Run | None, comparison: dict[str, Any]) -> dict[str, Any] | None:
    if run is None:
        return None
    found = comparison.get(run.challenger or "")
    return {
        **asdict(run),
        "running": run.running,
        "seconds": (run.ended or time.time()) - run.began,
        "accepted": found is not None and found.accepted,
    }


def _card(request: Request) -> str | None:
    try:
        return (station(request).models.folder / model_folder.CARD).read_text(encoding="utf-8")
    except OSError:
        return None
