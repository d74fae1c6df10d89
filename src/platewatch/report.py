"""Tables and pictures → one HTML file that needs nothing beside it."""

import base64
import io
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from platewatch.errors import OutputError

Array = np.ndarray

_TEMPLATES = Environment(
    loader=PackageLoader("platewatch"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file's bytes, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


def data_uri(data: bytes) -> str:
    """A PNG or JPEG file's bytes as a URI to stand in an img tag."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def thumbnail(picture: Array, side: int = 320) -> str:
    """An (H, W, 3) uint8 RGB or (H, W) bool picture as the data URI of a JPEG of at most `side` px; never enlarged."""
    if picture.dtype == np.bool_:
        picture = picture.astype(np.uint8) * 255
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=82)
    return data_uri(buffer.getvalue())


def render(template: str, **context: object) -> str:
    """The named template of the package filled in; every text is escaped, a name that is missing is an error."""
    return _TEMPLATES.get_template(template).render(version=metadata.version("platewatch"), **context)


def write(path: Path, content: str | bytes) -> Path:
    """Write a page or a picture whole or not at all, making its folder; returns `path`.

    Raises OutputError when it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        part.replace(path)
    except OSError as error:
        _discard(part)
        what = f"cannot be written ({error.strerror or error})"
        raise OutputError(f"{path}: {what}; free some space or name another --out folder") from error
    return path


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # what stopped the writing stops this too, and the first error is the one to tell
