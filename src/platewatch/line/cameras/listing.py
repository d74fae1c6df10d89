"""Lists the cameras that this machine reaches: GenTL producers and video devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platewatch.errors import PlatewatchError
from platewatch.line.cameras import aravis

_VIDEO = Path("/sys/class/video4linux")


@dataclass(frozen=True)
class ReachableCamera:
    """A camera, as `serve --camera` takes it."""

    camera: str
    description: str


def reachable(producers: Sequence[Path] = ()) -> tuple[list[ReachableCamera], list[str]]:
    """The cameras, and a line for each producer or library that cannot be used; without `producers` those installed."""
    found, problems = list[ReachableCamera](), list[str]()
    try:
        from platewatch.line.cameras import genicam  # noqa: PLC0415 - an extra
    except ImportError:
        problems.append("GenICam cameras are not looked for; pip install 'platewatch[genicam]'")
    else:
        for producer in producers or genicam.producers():
            try:
                found += [_genicam(producer, device) for device in genicam.listed(producer)]
            except PlatewatchError as error:
                problems.append(str(error))
    try:
        found += [ReachableCamera(f"gige:{each['id']}", each["description"]) for each in aravis.listed()]
    except PlatewatchError as error:
        problems.append(f"GigE Vision cameras are not looked for: {error.reason}")
    return found + _video(), problems


def _genicam(producer: Path, device: dict[str, str]) -> ReachableCamera:
    words = (device.get(each, "") for each in ("vendor", "model", "serial", "name"))
    return ReachableCamera(f"genicam:{producer}:{device.get('id', '')}", " ".join(filter(None, words)))


def _video() -> list[ReachableCamera]:
    """Linux's video devices; of two of one camera the first gives pictures, the second data about them."""
    found = list[ReachableCamera]()
    for device in sorted(_VIDEO.glob("video*"), key=lambda each: int(each.name.removeprefix("video") or 0)):
        index = device / "index"
        if index.is_file() and index.read_text().strip() == "0":
            name = (device / "name").read_text().strip() if (device / "name").is_file() else ""
            found.append(ReachableCamera(f"usb:{device.name.removeprefix('video')}", name))
    return found
