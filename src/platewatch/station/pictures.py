"""Pictures for the pages: the stored photograph, and the map over it, drawn by the model that judged the plate."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from platewatch.arrays import Floats, Photo
from platewatch.errors import InputError, NotFound, RecordError, RecordUnavailable
from platewatch.inspection import Defect
from platewatch.line import shift_report
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.model.good_examples import GoodExamples
from platewatch.photographs import reading, thumbnails
from platewatch.photographs.overlay import boxed, heat, overlay
from platewatch.records import Entry, Records

_MAPS, _MAP_BYTES = 40, 16 * 2**20  # the newest plates' maps that are kept: 256 KiB each at 256 px, more at 3,000 px
_DRAWN = 16 * 2**20  # bytes of overlays that are kept as PNG
_THUMBNAILS, _THUMBNAIL = 16 * 2**20, 160  # bytes of small pictures that are kept, and their side in px
_MODELS = 4  # whose good photographs are kept
_SIDE = 3000
"""Longest side in px of an overlay: drawing takes 14 bytes of memory a pixel."""


class Pictures:
    """Photographs and overlays by plate number; the newest plates' maps are kept. Safe to share by threads."""

    def __init__(self, records: Records, models: ModelRegistry | PartTypeModels) -> None:
        self._records, self._models = records, PartTypeModels.of(models)
        self._maps: OrderedDict[int, Floats] = OrderedDict()
        self._drawn: OrderedDict[int, bytes] = OrderedDict()
        self._small: OrderedDict[tuple[int, bool], bytes] = OrderedDict()
        self._good: OrderedDict[str, GoodExamples] = OrderedDict()  # by model
        self._lock, self._drawing = (
            threading.Lock(),
            threading.Semaphore(1),
        )  # judging has priority

    def keep(self, number: int, anomaly_map: Floats) -> None:
        """Remember the map (h, w) float32 of a plate just judged."""
        with self._lock:
            _remember(self._maps, number, anomaly_map.copy(), (len, _MAPS), (_map_bytes, _MAP_BYTES))

    def photograph(self, number: int) -> bytes:
        """The bytes as they came; raises NotFound when they were not kept."""
        data = self._records.photograph(number)
        if data is None:
            raise NotFound(
                f"plate {number}", "its photograph was not kept, only its hash", remedy="see the record's policy"
            )
        return data

    def size(self, number: int) -> tuple[int, int] | None:
        """Width and height in px of the photograph as people see it, upright; None when it is not here or not readable.

        Raises NotFound when there is no such plate.
        """
        try:
            data = self._records.photograph(number)
            if data is None:
                return None
            with self._drawing:
                height, width = reading.shown(data, f"plate {number}").shape[:2]
        except (NotFound, RecordUnavailable):
            raise
        except (InputError, RecordError):  # RecordError: its file was altered
            return None
        return width, height

    def overlay(self, number: int) -> bytes:
        """The photograph with map and boxes as PNG; raises NotFound for a photograph or model that is not here."""
        with self._lock:
            drawn = self._drawn.get(number)
        if drawn is None:
            with self._drawing:
                drawn = self._draw(number)
            with self._lock:
                _remember(self._drawn, number, drawn, (_bytes, _DRAWN))
        return drawn

    def _draw(self, number: int) -> bytes:
        entry, data = self._records.get(number), self.photograph(number)
        try:
            anomaly_map = self._map(entry, data)  # before the photograph: a thread holds one at a time
            photo, defects = _reduced(reading.shown(data, f"plate {number}"), entry.inspection.defects)
        except InputError as error:
            raise NotFound(f"plate {number}", "its photograph is not readable, so there is no map of it") from error
        return _png(overlay(photo, anomaly_map, defects))

    def heat(self, number: int) -> bytes:
        """The map alone as PNG, transparent where the plate looks good; raises NotFound as `overlay` does."""
        entry, data = self._records.get(number), self.photograph(number)
        with self._drawing:
            try:
                return _png(heat(self._map(entry, data)))
            except InputError as error:
                raise NotFound(f"plate {number}", "its photograph is not readable, so there is no map of it") from error

    def thumbnail(self, number: int, *, boxes: bool = False) -> bytes:
        """The photograph as a small JPEG, with `boxes` as the shift report shows it; a cross when it is not readable.

        Raises NotFound for a photograph that is not here.
        """
        with self._lock:
            small = self._small.get((number, boxes))
        if small is None:
            data = self.photograph(number)
            with self._drawing:
                small = self._shrink(number, data, boxes=boxes)
            with self._lock:
                _remember(self._small, (number, boxes), small, (_bytes, _THUMBNAILS))
        return small

    def good(self, number: int) -> bytes:
        """The good photograph of training that is most like the plate's, as WebP: what good looks like.

        Raises NotFound when the plate's photograph, its model or that model's good photographs are not here.
        """
        entry, data = self._records.get(number), self.photograph(number)
        model_id = entry.inspection.model_id
        with self._drawing:
            try:
                examples = self._good.get(model_id) or self._models.good_examples(model_id)
                _remember(self._good, model_id, examples, (len, _MODELS))
                return examples.nearest(reading.shown(data, f"plate {number}"))
            except InputError as error:
                raise NotFound(f"plate {number}", "its photograph is not readable: nothing is like it") from error

    def _shrink(self, number: int, data: bytes, *, boxes: bool) -> bytes:
        try:
            if not boxes:
                return thumbnails.jpeg(reading.shown(data, f"plate {number}"), _THUMBNAIL)
            defects = self._records.get(number).inspection.defects
            return thumbnails.jpeg(boxed(*_reduced(reading.shown(data, f"plate {number}"), defects)), shift_report.SIDE)
        except InputError:
            return thumbnails.unreadable(_THUMBNAIL)

    def _map(self, entry: Entry, photograph: bytes) -> Floats:
        """The map (h, w) float32 of a plate, computed again by the model that judged it unless it is kept."""
        with self._lock:
            found = self._maps.get(entry.number)
        if found is None:
            with self._models.with_id(entry.inspection.model_id) as inspector:
                seen = inspector.examine(photograph)
            found = seen.frame.cut(seen.anomaly_map)
        return found


def _png(picture: Photo) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def _reduced(photo: Photo, defects: Sequence[Defect]) -> tuple[Photo, tuple[Defect, ...]]:
    """The photograph (H, W, 3) uint8 RGB at _SIDE px at most, and the defects with their boxes in its px."""
    scale = _SIDE / max(photo.shape[:2])
    if scale >= 1:
        return photo, tuple(defects)
    return thumbnails.shrunk(photo, _SIDE), tuple(replace(each, box=_scaled(each.box, scale)) for each in defects)


def _scaled(box: tuple[int, int, int, int], scale: float) -> tuple[int, int, int, int]:
    left, top, width, height = (round(value * scale) for value in box)
    return left, top, max(1, width), max(1, height)


def _bytes(kept: OrderedDict[Any, bytes]) -> int:
    return sum(map(len, kept.values()))


def _map_bytes(kept: OrderedDict[int, Floats]) -> int:
    return sum(each.nbytes for each in kept.values())


def _remember(
    kept: OrderedDict[Any, Any], key: Any, value: Any, *limits: tuple[Callable[[OrderedDict[Any, Any]], int], int]
) -> None:
    """Keep the value, and drop the oldest ones while a size of all is more than its limit."""
    kept[key] = value
    while any(size(kept) > most for size, most in limits):
        kept.popitem(last=False)
