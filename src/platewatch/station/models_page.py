"""The models page: model in service, available models, their comparisons, retraining; and the REST addresses for it."""

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response

from platewatch.decision.verdict import HOLDS
from platewatch.errors import InputError
from platewatch.line import candidates, part_types
from platewatch.line.candidates import Material
from platewatch.line.model_registry import ModelRegistry, last_activation
from platewatch.model import model_folder
from platewatch.station import retraining_runs
from platewatch.station.pages import chosen, render
from platewatch.station.rest import PartTypeName, Viewer, json_response, registry, routes, station
from platewatch.station.retraining_runs import RetrainingRuns, Run
from platewatch.station.security import needs
from platewatch.station.users import Account, Right

router = routes()


@router.get("/models", include_in_schema=False)
def models(request: Request, _: Viewer, part_type: PartTypeName = None) -> Response:
    """A part type's model in service, retraining, the available models and their comparisons."""
    here, runs = station(request), _runs(request)
    of = chosen(request, part_type)
    part_type, manifest = of.part_type, of.serving()
    material = runs.material(here.records, part_type)
    activated = last_activation(here.records, part_type)
    if activated is not None and activated.details.get("model_id") != manifest.model_id:
        activated = None
    folder, models = of.models_folder, of.available()
    available = [(each, retraining_runs.comparison_of(folder, each.model_id)) for each in models]
    known = {each.model_id for each, _ in available}
    before = None if activated is None else activated.details.get("before")
    return render(
        request,
        "models.html",
        manifest=manifest,
        holds=HOLDS,
        activated=activated,
        before=before if before in known else None,
        card=_card(of),
        material=material,
        obstacle=_obstacle(runs, material, part_type),
        run=_run_values(runs.run_of(part_type), {each.model_id: comparison for each, comparison in available}),
        available=sorted(available, key=lambda pair: (not pair[0].in_service, pair[0].model_id)),
    )


@router.post("/models/retraining", status_code=202)
def retrain(
    request: Request, account: Annotated[Account, needs(Right.MODEL)], part_type: PartTypeName = None
) -> Response:
    """Start training a candidate of a part type on its plates reviewed as good; GET returns the progress."""
    here, runs, name = station(request), _runs(request), registry(request, part_type).part_type
    if runs.data_of(name) is not None:
        candidates.check(runs.material(here.records, name))
    return json_response(asdict(runs.start(account.name, name)), 202)


@router.get("/models/retraining")
def retraining(request: Request, _: Viewer) -> Response:
    """The running or last retraining; null when there was none since the station started."""
    run = _runs(request).run
    return json_response(None if run is None else asdict(run))


@router.get("/models/{model_id}/comparison")
def comparison(request: Request, _: Viewer, model_id: str, part_type: PartTypeName = None) -> Response:
    """The comparison of a candidate with the model in service, plate by plate; null for a model without one."""
    models = registry(request, part_type)
    known = {each.model_id for each in models.available()}
    found = retraining_runs.comparison_of(models.models_folder, model_id) if model_id in known else None
    return json_response(None if found is None else found.as_dict())


def _runs(request: Request) -> RetrainingRuns:
    found: RetrainingRuns = request.app.state.retraining_runs
    return found


def _obstacle(runs: RetrainingRuns, material: Material, part_type: str) -> str | None:
    """Why retraining is not possible now; None when it is."""
    if runs.data_of(part_type) is None:
        if part_type:
            return f"Name the folder of the model's training photographs as data in {part_type}/{part_types.FILE}."
        return "Start the station with --data DATA, the folder of the model's training photographs."
    try:
        candidates.check(material)
    except InputError as error:
        text = error.reason
        return text[:1].upper() + text[1:] + "."
    return None


def _run_values(run: Run | None, comparisons: dict[str, Any]) -> dict[str, Any] | None:
    """What the page shows of a run; `comparisons` by the candidate's id."""
    if run is None:
        return None
    found = comparisons.get(run.challenger or "")
    return {
        **asdict(run),
        "running": run.running,
        "seconds": (run.ended or time.time()) - run.began,
        "accepted": found is not None and found.accepted,
    }


def _card(models: ModelRegistry) -> str | None:
    """The text of the model card of the model in service; None when it has none."""
    try:
        return (models.folder / model_folder.CARD).read_text(encoding="utf-8")
    except OSError:
        return None
