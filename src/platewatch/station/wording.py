"""What happened and what was said, in words for people."""

from typing import Any

from platewatch.records import Event, Judgement

SAID = {
    Judgement.DEFECTIVE: "defective",
    Judgement.GOOD: "good",
    Judgement.UNSURE: "cannot tell",
}


def said(judgement: Judgement | None) -> str:
    """A judgement as people say it."""
    return "taken back" if judgement is None else SAID[judgement]


def happened(event: Event) -> str:
    """An event in a sentence; one of an unknown kind by its name and details."""
    details = event.details
    match event.kind:
        case "model_activated":
            return f"model {details.get('model_id')} taken into service instead of {details.get('before')}"
        case "challenger_trained":
            return _trained(dict(details))
        case "login":
            return f"logged in as {details.get('role')} from {details.get('address')}"
        case "login_locked":
            return f"too many failed logins as {details.get('name')} from {details.get('address')}"
    rest = ", ".join(f"{name} {value}" for name, value in details.items() if not isinstance(value, dict | list))
    return event.kind.replace("_", " ") + (f": {rest}" if rest else "")


def duration(seconds: float) -> str:
    """A time span as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _trained(details: dict[str, Any]) -> str:
    good, defective = details.get("held_out", {}), details.get("defective", {})
    outcome = "accepted" if details.get("accepted") else "refused"
    return (
        f"challenger {details.get('challenger')} trained and {outcome}: passes {good.get('challenger_passes')} of "
        f"{good.get('plates')} held-out good plates and {defective.get('challenger_passes')} of "
        f"{defective.get('plates')} defective ones"
    )
