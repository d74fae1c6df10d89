"""Visual inspection: learns from about fifty photographs of good parts, judges further ones PASS, REVIEW or REJECT.

    model = platewatch.load("model")
    inspection = model.inspect("plate.png")   # a path, a file's bytes or an (H, W, 3) uint8 RGB array
    print(inspection.verdict, inspection.reason)

Importing this package imports no torch, which is not installed on the PC at the line.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from platewatch.errors import (
    CalibrationError,
    InputError,
    ModelError,
    OutputError,
    PlatewatchError,
    RuntimeUnavailable,
)
from platewatch.telemetry import switch_off

switch_off()

if TYPE_CHECKING:
    from platewatch.inspection import Defect, Evidence, Inspection, Verdict
    from platewatch.model.inspector import Inspector
    from platewatch.model.runtime import Runtime

    __version__: str

__all__ = [
    "CalibrationError",
    "Defect",
    "Evidence",
    "InputError",
    "Inspection",
    "ModelError",
    "OutputError",
    "PlatewatchError",
    "RuntimeUnavailable",
    "Verdict",
    "__version__",
    "load",
]


def load(path: str | Path, *, threads: int = 0, runtime: "Runtime" = "onnxruntime") -> "Inspector":
    """Load a model folder and check every hash; `threads` 0 uses all cores.

    Raises ModelError when the folder is missing, damaged, altered or too new, RuntimeUnavailable when the runtime is
    not installed.
    """
    from platewatch.model.inspector import Inspector  # noqa: PLC0415 - `import platewatch` stays light

    return Inspector(Path(path), threads=threads, runtime=runtime)


def __getattr__(name: str) -> object:
    """`__version__`, Verdict, Inspection and their parts, imported on first use: `--help` needs none of them."""
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415 - as above

        return metadata.version("platewatch")
    if name in ("Defect", "Evidence", "Inspection", "Verdict"):
        from platewatch import inspection  # noqa: PLC0415 - as above

        return getattr(inspection, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
