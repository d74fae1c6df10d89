"""Checks the files of the models in service against their SHA-256 while they run: changed, damaged or missing ones.

Plates are judged with the bytes in memory whose SHA-256 was checked when they were loaded, so a damaged file changes no
verdict. But the folder cannot be loaded again, after a restart or to replay a plate. This is a problem in `/healthz`
and an event in the record.
"""

import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from platewatch.errors import ModelError, PlatewatchError
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.model import model_folder
from platewatch.records import Records

log = logging.getLogger("platewatch.line")

DAMAGED, RESTORED = "model_damaged", "model_restored"
"""Events in the record: files of the model in service differ from those loaded; they are equal again."""
_EVERY_S = 600.0  # all files are read again, because a disk may change data without a new time

Stamp = tuple[int, int, int, int]
"""Device, number, size and time of change of a file."""


class ModelFiles:
    """A thread that checks the files' stamps once a second, and reads a file when its stamp changed or it is due."""

    def __init__(
        self, models: ModelRegistry | PartTypeModels, records: Records, *, actor: str, every_s: float = _EVERY_S
    ) -> None:
        self._models, self._records, self._actor, self._every = PartTypeModels.of(models), records, actor, every_s
        self._files: dict[str, _Files] = {}  # by part type
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model files", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def problems(self) -> Iterable[tuple[str, str, bool]]:
        """The problems, for the health check: code, message, whether plates stop."""
        damaged = [each for name, files in sorted(self._files.items()) for each in files.faults(name)]
        if damaged:
            so = "plates are judged by what was loaded before, but it cannot be loaded again: restore the folder"
            yield DAMAGED, f"{'; '.join(damaged[:4])}; {so}", False
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopped.is_set():
            yield "model_check_stopped", "the model's files are not checked; restart, and see the log", False

    def look(self) -> None:
        """Check once: read changed files, or all when it is due, and write an event when the faults change."""
        found = dict(self._models.all())
        for name in self._files.keys() - found.keys():
            del self._files[name]  # the part type was removed
        for name, models in found.items():
            self._files.setdefault(name, _Files(models, self._records, self._actor, self._every)).look()

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self.look()
            except Exception:
                log.exception("the model's files could not be checked; it goes on")


class _Files:
    """The files of one model in service."""

    def __init__(self, models: ModelRegistry, records: Records, actor: str, every_s: float) -> None:
        self._models, self._records, self._actor, self._every = models, records, actor, every_s
        self._folder: Path | None = None
        self._expected: dict[str, str] = {}  # SHA-256 by name
        self._stamps: dict[str, Stamp | None] = {}  # of each file when it was read last
        self._read = 0.0  # when all files were read last
        self._damaged: dict[str, str] = {}  # the faults, by file name
        self._told: set[str] = set()  # the faults in the last event

    def faults(self, part_type: str) -> list[str]:
        """The present faults, in words."""
        return [
            f"part type {part_type}: {each}" if part_type else each for each in sorted(self._damaged.copy().values())
        ]

    def look(self) -> None:
        """Check once."""
        if not (self._models.folder / model_folder.MANIFEST).is_file():
            return  # no model, or its folder is missing: Health reports it, and plates stop
        if self._models.folder != self._folder:
            self._begin()
        due = time.monotonic() - self._read >= self._every
        for name, expected in self._expected.items():
            path = self._models.folder / name
            stamp = _stamp(path)
            if due or stamp is None or stamp != self._stamps.get(name):
                self._stamps[name] = stamp
                self._compare(name, expected)
        self._read = time.monotonic() if due else self._read
        self._tell()

    def _begin(self) -> None:
        """Another model is in service."""
        self._folder, self._read = self._models.folder, time.monotonic()
        self._expected = dict(self._models.serving().files)
        self._damaged, self._told = {}, set()
        self._stamps = {}  # so all are read
        try:
            self._expected[model_folder.MANIFEST] = model_folder.sha256(self._folder, model_folder.MANIFEST)
        except ModelError:
            self._folder = None

    def _compare(self, name: str, expected: str) -> None:
        folder = self._models.folder
        try:
            found = model_folder.sha256(folder, name, cached=False)
        except ModelError as error:
            self._damaged[name] = f"{name}: {error.what}"
            return
        if found == expected:
            self._damaged.pop(name, None)
        else:
            self._damaged[name] = f"{name}: altered since it was loaded (SHA-256 differs)"

    def _tell(self) -> None:
        if set(self._damaged) == self._told:
            return
        damaged = sorted(self._damaged)
        details = {"model_id": self._models.model_id, "files": ", ".join(damaged[:20])} | self._models.named()
        try:
            self._records.event(DAMAGED if damaged else RESTORED, self._actor, details)
        except PlatewatchError:  # Health reports it; it is tried again
            return
        self._told = set(damaged)


def _stamp(path: Path) -> Stamp | None:
    """None for a file that is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
