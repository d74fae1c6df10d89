"""The figures of GET /metrics, counted since the station started."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_FAILED = (
    "Plates without a verdict: their photograph could not be read or judged, and the record says so; or the record "
    "could not be written, and the client was told."
)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)


class Metrics:
    """One set for each station; received = judged + failed, but for those being judged."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, namespace="platewatch", registry=self.registry)
        gauge = partial(Gauge, namespace="platewatch", registry=self.registry)
        self.received = counter("plates_received", "Plates that were taken in to be judged.")
        self.judged = counter("plates_judged", "Plates judged and in the record.", ["verdict"])
        self.failed = counter("plates_failed", _FAILED, ["cause"])
        self.again = counter("plates_again", "Plates sent again under a key that the record knew.")
        self.refused = counter("uploads_refused", "Uploads that were not taken in, by the answer's code.", ["code"])
        self.seconds = Histogram(
            "platewatch_inspection_seconds",
            "From a request's arrival to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.taken = gauge("places_taken", "Plates on their way in, waiting or being judged.")
        self.places = gauge("places", "Plates that may be so at a time.")
        self.free = gauge("disk_free_bytes", "Space left where the record and photographs lie.", ["place"])
        self.problem = gauge("problem", "1 for each thing that is wrong now, as GET /healthz has it.", ["code"])
        self.drift = gauge("drift_evidence", "Evidence of drift: see platewatch/decision/drift.py.")
        self.drift_limit = gauge("drift_limit", "Evidence from here on raises the alarm.")
        self.watchers = gauge("live_pages", "Live pages that are open.")
        self.problems: set[str] = set()
        ProcessCollector(registry=self.registry)
        for verdict in ("PASS", "REVIEW", "REJECT"):
            self.judged.labels(verdict)
        for cause in ("photograph", "record"):
            self.failed.labels(cause)
        self.refused.labels("overloaded")

    def tell_problem(self, code: str, *, present: bool) -> None:
        """1 while it is there, 0 from then on."""
        self.problems.add(code)
        self.problem.labels(code).set(int(present))

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)
