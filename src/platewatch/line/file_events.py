"""The system's word that something in a folder changed; where there is none (network drives) the next look finds it."""

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import watchfiles

_DEBOUNCE_MS, _STEP_MS, _PATIENCE_MS = 50, 20, 1000
_RETRY_S = 0.5
_WAKE = ""  # no file's name: ends the waiting


class Notices:
    """Names of files that changed, collected in a thread; goes on when the folder was away."""

    def __init__(self, folder: Path) -> None:
        """Call `start` to begin."""
        self._folder = folder
        self._names = queue.SimpleQueue[str]()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notices {folder}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._names.put(_WAKE)

    def wait(self, timeout_s: float) -> set[str]:
        """The names that changed, as soon as there are any; none after the timeout."""
        names = set[str]()
        with suppress(queue.Empty):
            names.add(self._names.get(timeout=timeout_s))
            while True:
                names.add(self._names.get_nowait())
        return names - {_WAKE}

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(OSError, RuntimeError):  # the folder went away; watchfiles says so by the latter
                for names in self._changes():
                    for name in names:
                        self._names.put(name)
            self._stopping.wait(_RETRY_S)

    def _changes(self) -> Iterator[set[str]]:
        """Changes until the folder is another one than at the start."""
        at_first = self._folder.stat().st_ino
        heard = watchfiles.watch(
            self._folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_PATIENCE_MS,
            yield_on_timeout=True,
            stop_event=self._stopping,
            recursive=False,
            raise_interrupt=False,
        )
        for changes in heard:
            yield {Path(path).name for _, path in changes}
            if self._folder.stat().st_ino != at_first:
                return
