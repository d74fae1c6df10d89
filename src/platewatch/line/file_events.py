"""File-system events of a watched folder. Network drives send none; there, periodic scans find changes."""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import watchfiles

_DEBOUNCE_MS, _STEP_MS, _PATIENCE_MS = 50, 20, 1000
_RETRY_S = 0.5
_WAKE = ""  # no file's name: ends `wait`


class FileEvents:
    """Changed files by their path from the folder, collected in a thread; goes on when the folder was missing."""

    def __init__(self, folder: Path, *, recursive: bool = False) -> None:
        """Nothing is collected before `start`. `recursive`: also from folders in it."""
        self._folder, self._recursive = folder, recursive
        self._names = queue.SimpleQueue[str]()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"file events {folder}", daemon=True)

    def start(self) -> None:
        """Start collecting."""
        self._thread.start()

    def stop(self) -> None:
        """Stop collecting, and end `wait`."""
        self._stopping.set()
        self._names.put(_WAKE)

    def wait(self, timeout_s: float) -> set[str]:
        """The paths of changed files as soon as there are any; none after the timeout."""
        names = set[str]()
        with suppress(queue.Empty):
            names.add(self._names.get(timeout=timeout_s))
            while True:
                names.add(self._names.get_nowait())
        return names - {_WAKE}

    def _run(self) -> None:
        while not self._stopping.is_set():
            # RuntimeError: the folder is missing. UnicodeError: its name is not UTF-8; the scan finds its files
            with suppress(OSError, RuntimeError, UnicodeError):
                for names in self._changes():
                    for name in names:
                        self._names.put(name)
            self._stopping.wait(_RETRY_S)

    def _changes(self) -> Iterator[set[str]]:
        """Changes, until the folder is replaced by another one."""
        at_first = self._folder.stat().st_ino
        found = watchfiles.watch(
            self._folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_PATIENCE_MS,
            yield_on_timeout=True,
            stop_event=self._stopping,
            recursive=self._recursive,
            raise_interrupt=False,
        )
        for changes in found:
            yield {os.path.relpath(path, self._folder) for _, path in changes}
            if self._folder.stat().st_ino != at_first:
                return
