"""The metrics of a line, counted since its process started, and their text for Prometheus."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from platewatch.line.loaded_models import LoadedModels

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Media type of `Metrics.text`."""

_FAILED = (
    "Plates without a verdict: the photograph is not readable or could not be judged, and the record says so; or the "
    "record could not be written, and the sender got an error."
)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)


class Metrics:
    """One set for each line; received = judged + failed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, namespace="platewatch", registry=self.registry)
        gauge = partial(Gauge, namespace="platewatch", registry=self.registry)
        self.received = counter("plates_received", "Plates that were taken in and judged or failed.")
        self.judged = counter("plates_judged", "Plates judged and in the record.", ["verdict"])
        self.failed = counter("plates_failed", _FAILED, ["cause"])
        self.duplicates = counter("plates_again", "Plates sent again under a key that the record has.")
        self.refused = counter("uploads_refused", "Uploads that were not taken in, by the answer's code.", ["code"])
        self.seconds = Histogram(
            "platewatch_inspection_seconds",
            "From a request's arrival to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.taken = gauge("places_taken", "Plates that are arriving, waiting or being judged.")
        self.places = gauge("places", "Largest number of plates that may arrive, wait or be judged at a time.")
        self.free = gauge("disk_free_bytes", "Free space where the record and photographs lie.", ["place"])
        self.problem = gauge("problem", "1 for each present problem, as GET /healthz lists them.", ["code"])
        self.drift = gauge("drift_evidence", "Evidence of drift: see platewatch/decision/drift.py.")
        self.drift_limit = gauge("drift_limit", "Evidence from here on raises the alarm.")
        self.model = gauge(
            "model", "1 for a model in service that is in memory, 0 until then.", ["part_type", "model_id"]
        )
        self.model_memory = gauge("model_memory_bytes", "Memory of the models that are loaded on demand.")
        self.model_memory_limit = gauge("model_memory_limit_bytes", "Largest memory of these models.")
        self.model_loads = gauge("model_loads", "Models loaded on demand since the start.")
        self.live_pages = gauge("live_pages", "Open live pages.")
        self.problems: set[str] = set()
        """Codes of all problems so far."""
        ProcessCollector(registry=self.registry)
        for verdict in ("PASS", "REVIEW", "REJECT"):
            self.judged.labels(verdict)
        for cause in ("photograph", "record"):
            self.failed.labels(cause)
        self.refused.labels("overloaded")

    def set_problem(self, code: str, *, present: bool) -> None:
        """1 while the problem is present, 0 from then on."""
        self.problems.add(code)
        self.problem.labels(code).set(int(present))

    def set_models(self, models: Sequence[Mapping[str, Any]], loaded: LoadedModels | None) -> None:
        """Which models are in service and in memory, as `PartTypeModels.as_dict` gives them."""
        self.model.clear()
        for each in models:
            self.model.labels(each["part_type"], each["model_id"]).set(int(each["loaded"]))
        if loaded is not None:
            self.model_memory.set(loaded.bytes)
            self.model_memory_limit.set(loaded.limit_bytes)
            self.model_loads.set(loaded.loads)

    def plates(self) -> tuple[int, int, int]:
        """Plates received, judged and failed; received = judged + failed."""
        received, judged, failed = map(total, (self.received, self.judged, self.failed))
        return received, judged, failed

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def total(counter: Counter) -> int:
    """What a counter has counted, over all its labels."""
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    return round(sum(sample.value for sample in samples if sample.name.endswith("_total")))
