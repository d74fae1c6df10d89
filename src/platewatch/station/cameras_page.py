"""The cameras page: each camera's live picture, with figures for focus and exposure, and a key that judges the part."""

from typing import Any

import cv2
import numpy as np
from fastapi import Request
from fastapi.responses import Response

from platewatch.arrays import Photo
from platewatch.errors import PlatewatchError
from platewatch.line.cameras.frames import NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.cameras.stream import Stream
from platewatch.photographs import preparation, quality, thumbnails
from platewatch.station.cameras import named
from platewatch.station.pages import render
from platewatch.station.problem_details import RequestError
from platewatch.station.rest import Viewer, json_response, routes, station
from platewatch.station.state import Station

router = routes()

_SIDE = 960  # px of the live picture
_SIZE_WITHOUT_MODEL = 512  # px of a photograph that is measured while there is no model
_BINS = 32


@router.get("/line", include_in_schema=False)
def page(request: Request, _: Viewer) -> Response:
    """The page."""
    return render(request, "cameras.html", cameras=station(request).devices.cameras)


@router.get("/cameras/{name}/picture.jpg", response_class=Response)
def picture(request: Request, _: Viewer, name: str, n: int = 0) -> Response:  # noqa: ARG001 - makes each address new
    """The newest frame, small, as JPEG; 503 while there is none. `n` is any number."""
    photo, _number = _newest(named(station(request), name))
    return Response(thumbnails.jpeg(photo, _SIDE), media_type="image/jpeg")


@router.get("/cameras/{name}/view")
def view(request: Request, _: Viewer, name: str) -> Response:
    """Focus and exposure of the newest frame, as the quality check measures them, and the limits of the model.

    `histogram` has the fraction of pixels in each of 32 steps of brightness, from black to white.
    """
    here = station(request)
    camera = named(here, name)
    photo, number = _newest(camera)
    size, limits = _expected(here, camera.part_type)
    frame = preparation.frame(photo.shape[1], photo.shape[0], size)
    found = quality.measure(frame.cut(preparation.prepare(photo, size)))
    counts = np.histogram(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), _BINS, (0, 256))[0]
    values: dict[str, Any] = {
        "number": number,
        "width": photo.shape[1],
        "height": photo.shape[0],
        "brightness": round(found.brightness, 1),
        "clipped": round(found.clipped, 4),
        "sharpness": round(found.sharpness, 2),
        "histogram": [round(float(each), 4) for each in counts / counts.sum()],
        "limits": limits and {each: round(value, 4) for each, value in vars(limits).items()},
    }
    return json_response(values)


def _newest(camera: CameraParts) -> tuple[Photo, int]:
    """The newest frame, (H, W, 3) uint8 RGB, and its number; raises RequestError 503 while there is none."""
    what = f"camera {camera.source.name} has no live picture now"
    try:
        found = camera.source.after(0, 0.0) if isinstance(camera.source, Stream) else None
    except NoFrame as error:
        found, what = None, str(error)
    if found is None or isinstance(found[1].photograph, bytes):
        raise RequestError(503, "no_frame", what, expected="a frame", next="check the camera", retry_after_s=2)
    return found[1].photograph, found[0]


def _expected(here: Station, part_type: str) -> tuple[int, quality.QualityLimits | None]:
    """Side of the prepared photograph, and the limits of the model in service; without one None."""
    try:
        models = here.part_types.registry(part_type)
        manifest = models.manifest(models.model_id)
        return manifest.config.image_size, manifest.checks.quality
    except PlatewatchError:  # no model
        return _SIZE_WITHOUT_MODEL, None
