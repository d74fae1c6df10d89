"""Part types by REST: list, add, remove, picture. A model is taken into service by POST /model/activate."""

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.errors import NotFound
from platewatch.line.part_types import PartTypeFolder
from platewatch.photographs import reading, thumbnails
from platewatch.station.problem_details import RequestError
from platewatch.station.rest import STRICT, Viewer, json_response, routes, station
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

router = routes()
_SIDE = 320  # px of a picture's longer side


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NewPartType:
    """A part type that is to be added, with one of the available models."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    model_id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    mm_per_px: Annotated[float, Field(gt=0, lt=1000)] | None = None
    reason: Annotated[str, Field(max_length=500)] = ""


@router.get("/part-types")
def part_types(request: Request, _: Viewer) -> Response:
    """All part types: each one's model in service, whether it is in memory, and what is wrong with it."""
    models = station(request).part_types
    return json_response({"part_types": [models.describe(name) for name in models.names()]})


@router.post("/part-types", status_code=201)
def add(request: Request, account: Annotated[Account, needs(Right.MODEL)], asked: NewPartType) -> Response:
    """Add a part type with an available model in service. A model of another part type needs a reason."""
    models = station(request).part_types
    folder = models.folder_of(asked.model_id)
    made = models.add(asked.name, folder, account.name, reason=asked.reason, mm_per_px=asked.mm_per_px)
    station(request).line.tail.wake()
    return json_response(models.describe(made.name), 201, {"Location": f"/part-types/{made.name}/picture"})


@router.delete("/part-types/{name}", status_code=204, response_class=Response)
def remove(request: Request, account: Annotated[Account, needs(Right.MODEL)], name: str) -> Response:
    """Take a part type out: its photographs are refused from then on. Its plates, models and settings stay."""
    station(request).part_types.remove(name, account.name)
    return Response(status_code=204)


@router.get("/part-types/{name}/picture", response_class=Response)
def picture(request: Request, _: Viewer, name: str) -> Response:
    """The part type's picture as a small JPEG; where none was given, a good photograph of its model's training."""
    folder = _folder(station(request))
    path = folder.picture_of(folder.get(name))
    if path is None:
        raise NotFound(f"part type {name}", "has no picture")
    small = thumbnails.jpeg(reading.shown(reading.load(path), path.name), _SIDE)
    return Response(small, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"})


def _folder(here: Station) -> PartTypeFolder:
    folder = here.part_types.folder
    if folder is None:
        raise RequestError(404, "not_found", "no part types here", expected="--part-types", next="see the station")
    return folder
