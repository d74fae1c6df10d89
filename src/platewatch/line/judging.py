"""Judge: a photograph becomes its Inspection, whatever happens."""

import logging
import time

from platewatch.errors import PlatewatchError
from platewatch.inspection import Inspection
from platewatch.model.inspector import Examination, Inspector, Source, failed

log = logging.getLogger("platewatch")


def judge(inspector: Inspector, photograph: Source, name: str | None = None) -> tuple[Inspection, Examination | None]:
    """The photograph's Inspection, and its pictures when it has a verdict; nothing is recorded, nothing is raised.

    A photograph that cannot be read and detectors that fail give an Inspection with verdict None that says why. The
    photograph is decoded once.
    """
    started = time.perf_counter()
    try:
        seen = inspector.examine(photograph, name)
    except Exception as error:
        if not isinstance(error, PlatewatchError):
            log.exception("%s could not be judged", name or "a photograph")
        return failed(inspector.manifest, photograph, name, error, started), None
    return seen.inspection, seen
