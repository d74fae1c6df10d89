"""Problems of cameras' folders as events in the record, so that every process on the record shows them."""

from collections.abc import Iterator
from pathlib import Path

from platewatch import printable
from platewatch.line.health import Finding
from platewatch.records import Event, Records

AWAY, BACK = "camera folder vanished", "camera folder back"
FROZEN, MOVING = "camera repeats photographs", "camera takes new photographs"
"""Events in the record: the beginning and the end of each problem."""
MISSING_CODE, FROZEN_CODE = "camera_folder_missing", "camera_repeats"
"""The problems' codes."""

_BEGINS, _ENDS = {AWAY: MISSING_CODE, FROZEN: FROZEN_CODE}, {BACK: MISSING_CODE, MOVING: FROZEN_CODE}
_MESSAGES = {
    MISSING_CODE: "the camera's folder {} is missing; new photographs are judged once it is back",
    FROZEN_CODE: "the photographs in the camera's folder {} repeat, with the same bytes again and again; see whether "
    "the camera is frozen, or the program that copies its files",
}


class CameraProblems:
    """The present problems of all folders that a watch on this record judges."""

    def __init__(self, records: Records) -> None:
        """Nothing is known before `start`."""
        self._records = records
        self._newest = dict[tuple[str, str, str], Event]()  # by station, code and folder

    def start(self) -> None:
        """Read the present problems from the record; raises RecordError."""
        for kind in (*_BEGINS, *_ENDS):
            for event in self._records.events(kind):
                self.follow(event)

    def follow(self, event: Event) -> None:
        """Take over such an event of any process; other kinds of events are ignored."""
        code = _BEGINS.get(event.kind) or _ENDS.get(event.kind)
        if code is None:
            return
        place = event.station, code, str(event.details.get("folder", ""))
        if place not in self._newest or self._newest[place].id < event.id:
            self._newest[place] = event

    def has(self, code: str, folder: Path) -> bool:
        """Whether the folder has this problem."""
        place = printable.name(str(folder))  # in the form that the record holds
        event = self._newest.get((self._records.station, code, place))
        return event is not None and event.kind in _BEGINS

    def problems(self) -> Iterator[Finding]:
        """One finding for each code, which names the folders without their paths."""
        present = [place for place, event in list(self._newest.items()) if event.kind in _BEGINS]
        for code, message in _MESSAGES.items():
            folders = sorted({Path(folder).name for _, each, folder in present if each == code})
            if folders:
                yield code, message.format(", ".join(folders)), False
