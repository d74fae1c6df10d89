"""The models page: model in service, available models, their comparisons, retraining; and the REST addresses for it."""

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from platewatch.decision.verdict import HOLDS
from platewatch.errors import InputError, ModelError, NotFound
from platewatch.line import candidates, part_types
from platewatch.line.candidates import Material
from platewatch.line.model_registry import ModelRegistry, last_activation
from platewatch.station import model_changes, retraining_runs
from platewatch.station.model_changes import ModelChanges
from platewatch.station.pages import chosen, render
from platewatch.station.rest import PartTypeName, Viewer, json_response, query_names, registry, routes, station
from platewatch.station.retraining_runs import RetrainingRuns
from platewatch.station.security import needs
from platewatch.station.training_child import Run
from platewatch.station.users import Account, Right

router = routes()


@router.get("/models", include_in_schema=False, openapi_extra=query_names("part_type"))
def models(request: Request, _: Viewer) -> Response:
    """A part type's model in service, retraining, the available models and their comparisons."""
    here, runs = station(request), _runs(request)
    of = chosen(request)
    if not of.has_model:
        return RedirectResponse("/first-model", 303)
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
        of=part_type,
        manifest=manifest,
        holds=HOLDS,
        activated=activated,
        before=before if before in known else None,
        changes=_changes(of),
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


@router.post("/models/retraining/cancel", status_code=204, response_class=Response)
def cancel(request: Request, account: Annotated[Account, needs(Right.MODEL)]) -> Response:
    """End a running retraining; the model in service stays."""
    _runs(request).cancel(account.name)
    return Response(status_code=204)


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
        "seconds": run.seconds,
        "fraction": run.fraction,
        "left_s": run.left_s,
        "accepted": found is not None and found.accepted,
    }


def _changes(models: ModelRegistry) -> dict[str, ModelChanges]:
    """What taking each of the other models into service changes, by its id; without those whose manifest is damaged."""
    found = dict[str, ModelChanges]()
    for each in models.available():
        with suppress(NotFound, ModelError):
            if not each.in_service:
                found[each.model_id] = model_changes.of(models, models.manifest(each.model_id))
    return found
