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


def _changed(name: str, before: float, after: float) -> str:
    return f"{name} {after:.3g} in place of {before:.3g}"
