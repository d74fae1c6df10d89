"""The OpenAPI description beyond what the routes say: security, tags, every parameter's meaning, types of pictures.

docs/openapi.json is this description; tests/test_openapi.py writes and compares it.
"""

from typing import Any

from fastapi import FastAPI

from platewatch.station import security

_TAGS = {
    "/inspections/{number}/reviews": ("reviews", "What people said of a plate; the verdict never changes."),
    "/inspections": ("plates", "Plates in, and what the record has of each."),
    "/queue": ("plates", ""),
    "/counts": ("plates", ""),
    "/cameras": ("cameras", "Cameras of the station, and a trigger for one."),
    "/part-types": ("part types", "Kinds of parts, each with its own model."),
    "/first-model": ("first model", "A model made of photographs: draft, photographs, check, training, use."),
    "/model": ("models", "The model in service, available ones, retraining."),
    "/log": ("session", "Logging in and out; programs send a token instead."),
    "/session": ("session", ""),
    "/": ("station", "Health, metrics, events, alarms."),
}
"""Tag and its description by the beginning of a path; the first that fits counts."""
_TIME = "ISO 8601 with its zone."
_PARAMETERS: dict[str, tuple[str, Any]] = {
    "source": ("Where the photograph comes from.", "rest"),
    "Idempotency-Key": ("The same key again is the same plate, which is judged and recorded once.", "order-7/A-17"),
    "plate_id": ("The plate's id, as the line knows it.", "A-17"),
    "part_type": ("The part type; empty for plates without one.", "hinge-left"),
    "station": ("The station in a record that several share.", "line-3"),
    "since": (f"From this time on. {_TIME}", "2026-11-24T06:00:00+01:00"),
    "until": (f"Before this time. {_TIME}", "2026-11-24T14:00:00+01:00"),
    "verdict": ("The verdict, or FAILED for plates without one.", "REJECT"),
    "model_id": ("A model's id.", "0123456789ab"),
    "reviewer": ("Name of the person who reviewed.", "erika"),
    "judgement": ("The review that is valid.", "defective"),
    "text": ("Words of plate id, photograph's name, note or reviewer, by their beginning.", "scratch"),
    "reviewed": ("Whether there is a review.", True),
    "limit": ("Entries of a page, at most.", 50),
    "before": ("`next` of the page before.", None),
    "number": ("The plate's number in the record.", 17),
    "review_id": ("The review's id.", 5),
    "name": ("A file's or a thing's name.", "cam1.png"),
    "next": ("The address of this station to go to.", "/"),
    "wait_ms": ("Milliseconds to wait for a frame.", 1000),
    "n": ("Any number; another one avoids a picture from the cache.", 1),
    "folder": ("A folder as an earlier answer named it; empty for those that are allowed.", "1/2026-11-24"),
}
"""Meaning and example of each parameter, where its route has none."""
_PHOTOGRAPHS = ("image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "application/octet-stream")
_CONTENT = {
    ".png": ("image/png",),
    ".jpg": ("image/jpeg",),
    "/picture": ("image/jpeg",),
    "/photograph": _PHOTOGRAPHS,
    "/metrics": ("text/plain",),
    "/events": ("text/event-stream",),
}
"""Content types of a GET's answer by the end of its path, where it is not JSON."""


class StationApp(FastAPI):
    """FastAPI with the whole description."""

    def openapi(self) -> dict[str, Any]:
        """The description; made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi())
        return self.openapi_schema


def described(found: dict[str, Any]) -> dict[str, Any]:
    """The description with everything that clients and people need beside the routes."""
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "`platewatch users add NAME --token` prints one."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "platewatch",
            "description": f"The cookie of a login; what changes something needs {security.CSRF} too. GET /session has "
            "its value. By https the name is __Host-platewatch.",
        },
    }
    found["security"] = [{"token": []}, {"session": []}]
    found["tags"] = [{"name": name, "description": words} for name, words in dict(_named_tags()).items()]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            operation["tags"] = [_tag(path)]
            if path in security.OPEN:
                operation["security"] = []
            for parameter in operation.get("parameters", ()):
                _describe(parameter)
            if method == "get":
                _type(path, operation["responses"]["200"])
    return found


def _named_tags() -> list[tuple[str, str]]:
    """Each tag once, with its description."""
    return [(name, words) for name, words in _TAGS.values() if words]


def _tag(path: str) -> str:
    return next(name for start, (name, _) in _TAGS.items() if path.startswith(start))


def _describe(parameter: dict[str, Any]) -> None:
    """Add meaning and example to a parameter that lacks them."""
    words, example = _PARAMETERS.get(parameter["name"], ("", None))
    parameter.setdefault("description", words)
    if example is not None:
        parameter.setdefault("example", example)


def _type(path: str, response: dict[str, Any]) -> None:
    """Name the types of an answer that is no JSON."""
    for end, types in _CONTENT.items():
        if path.endswith(end):
            kind = {"type": "string"} if types[0].startswith("text/") else {"type": "string", "format": "binary"}
            response["content"] = {each: {"schema": kind} for each in types}
