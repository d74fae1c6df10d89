"""Judgements, events, durations and sizes as text for people."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from platewatch.inspection import NOT_READABLE
from platewatch.records import Event, Judgement

JUDGEMENTS = {
    Judgement.DEFECTIVE: "defective",
    Judgement.GOOD: "good",
    Judgement.UNSURE: "cannot tell",
    Judgement.UNUSABLE: "part good, photograph not",
}

_EVENTS = {
    "model_activated": "model {model_id} replaced model {before}",
    "drift_alarm": "drift alarm: {message}",
    "drift_seen": "drift check of model {model_id} restarted",
    "model_damaged": "files of model {model_id} changed on the disk: {files}",
    "model_restored": "files of model {model_id} are as they were loaded again",
    "record_back": "record writable again; {plates_refused} plates were refused meanwhile",
    "shifts_set": "shifts begin at {hours}",
    "defect_kinds_set": "kinds of defect of part type {part_type}: {kinds}",
    "login": "logged in as {role} from {address}",
    "login_locked": "logins as {name} from {address} blocked after too many failures",
}
"""Sentences by kind of event, filled with the event's details."""


def event_text(event: Event) -> str:
    """An event as one sentence; for an unknown kind, the kind and its details."""
    details = event.details
    if event.kind == "challenger_trained":
        return _candidate_text(details)
    if event.kind in _EVENTS:
        text = _EVENTS[event.kind].format_map(defaultdict(lambda: "?", details))
        return f"{text}; looser limits: {details['loosened']}" if details.get("loosened") else text
    rest = ", ".join(f"{name} {value}" for name, value in details.items() if not isinstance(value, dict | list))
    return event.kind.replace("_", " ") + (f": {rest}" if rest else "")


def stamp(moment: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """An aware time in this machine's zone, with the zone: `2026-11-30 19:33:06 UTC+1`; text.js writes the same."""
    local = moment.astimezone()
    return f"{local:{form}} {zone(local)}"


def zone(moment: datetime) -> str:
    """The zone of an aware time: `UTC`, `UTC+1`, `UTC-3:30`."""
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02}' if rest else ''}"


def duration(seconds: float) -> str:
    """A time span in s, min or h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A number of bytes in B, kB, MB, GB or TB, with three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _candidate_text(details: Mapping[str, Any]) -> str:
    good, defective = details.get("held_out", {}), details.get("defective", {})
    because = details.get("loosened_because")
    outcome = "accepted" if details.get("accepted") else "refused"
    return (
        f"candidate {details.get('challenger')} trained and {outcome}: passes {good.get('challenger_passes')} of "
        f"{good.get('plates')} held-out good plates and {defective.get('challenger_passes')} of "
        f"{defective.get('plates')} defective plates" + (f"; looser limits because: {because}" if because else "")
    )


NAMES: Mapping[str, object] = {
    "not_readable": NOT_READABLE,
    "judgements": JUDGEMENTS,
    "event_text": event_text,
    "stamp": stamp,
    "zone": zone,
    "duration": duration,
    "size": size,
}
"""What every template of reports and pages may use."""
