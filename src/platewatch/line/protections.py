"""Protections of a model: the limits of its checks and of its score, and which of them another model loosens."""

from collections.abc import Iterator

from platewatch.model.model_folder import Manifest


def looser(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """A sentence for each limit of `after` that is looser than that of `before`; empty when there is none."""
    return tuple(_looser(before, after))


def _looser(before: Manifest, after: Manifest) -> Iterator[str]:
    old, new = before.quality_limits, after.quality_limits
    for name in ("darkest", "least_sharp", "least_contrast"):
        if getattr(new, name) < getattr(old, name):
            yield _changed(name.replace("_", " "), getattr(old, name), getattr(new, name))
    if new.most_clipped > old.most_clipped:
        yield _changed("most clipped", old.most_clipped, new.most_clipped)
    yield from _looser_completeness(before, after)
    yield from _looser_shape(before, after)
    if after.region is not None and before.region_sha256 != after.region_sha256:
        yield f"a region of {after.region.fraction:.0%} is inspected" + (
            "" if before.region is None else f" in place of another of {before.region.fraction:.0%}"
        )
    for name in ("review", "threshold"):
        if getattr(after, name) > getattr(before, name):
            yield _changed(f"{name} limit", getattr(before, name), getattr(after, name))


def _looser_completeness(before: Manifest, after: Manifest) -> Iterator[str]:
    ranges = {} if after.completeness is None else after.completeness.ranges
    for name, (low, high) in ({} if before.completeness is None else before.completeness.ranges).items():
        if name not in ranges:
            yield f"completeness is not checked by {name}"
        elif ranges[name][0] < low:
            yield _changed(f"lowest {name}", low, ranges[name][0])
        elif ranges[name][1] > high:
            yield _changed(f"highest {name}", high, ranges[name][1])


def _looser_shape(before: Manifest, after: Manifest) -> Iterator[str]:
    old, new = before.shape, after.shape
    if old is None or new is None:
        yield from ("the part's shape is not checked",) if old is not None else ()
        return
    if new.level < old.level:
        yield _changed("presence of an additional hole", old.level, new.level)
    for name in ("less", "unlike"):
        if getattr(new, name) > getattr(old, name):
            yield _changed(f"shape limit {name!r}", getattr(old, name), getattr(new, name))
    for name, those, these in (("cut corners", old.corners, new.corners), ("covered holes", old.covered, new.covered)):
        if len(those) != len(these):
            yield f"{len(these)} {name} are checked in place of {len(those)}"
        for low, high in zip(sorted(those), sorted(these), strict=False):
            if high > low:
                yield _changed(f"limit of {name}", low, high)
    if old.turned is not None and (new.turned is None or _width(new.turned) > _width(old.turned)):
        yield "parts may be turned farther"
    if new.mirrored and not old.mirrored:
        yield "parts may lie with their other side up"


def _width(turned: tuple[float, float]) -> float:
    return turned[1] - turned[0]


def _changed(name: str, before: float, after: float) -> str:
    return f"{name} {after:.3g} in place of {before:.3g}"
