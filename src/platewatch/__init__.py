"""Visual inspection: learns from about fifty photographs of good parts, judges further ones PASS, REVIEW or REJECT.

    model = platewatch.load("model")
    inspection = model.inspect("plate.png")   # a path, a file's bytes or an (H, W, 3) uint8 RGB array
    print(inspection.verdict, inspection.reason)

Importing this package imports no torch, which is not installed on the PC at the line.
"""

from collections.abc import Sequence
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
from platewatch.model.telemetry import switch_off

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


def load(
    path: str | Path,
    *,
    threads: int = 0,
    runtime: "Runtime" = "onnxruntime",
    signed_by: "Sequence[str | Path]" = (),
    all_phases: bool = False,
) -> "Inspector":
    """Load a model folder and check every hash; `threads` 0 uses all cores.

    Phase two is run only where it has weight in the score, or with `all_phases`. `signed_by` are files of public keys:
    a folder that none of them signed is refused. Raises ModelError when the folder is missing, damaged, altered, too
    new or not signed, RuntimeUnavailable when the runtime is not installed, InputError when a file holds no public key.
    """
    from platewatch.model.inspector import Inspector  # noqa: PLC0415 - `import platewatch` stays light

    keys = []
    if signed_by:
        from platewatch import signing  # noqa: PLC0415 - as above

        keys = [signing.public_key(Path(each)) for each in signed_by]
    return Inspector(Path(path), threads=threads, runtime=runtime, signed_by=keys, all_phases=all_phases)


def __getattr__(name: str) -> object:
    """`__version__`, Verdict, Inspection and their parts, imported on first use: `--help` needs none of them."""
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415 - as above

        return metadata.version("platewatch")
    if name in ("Defect", "Evidence", "Inspection", "Verdict"):
        from platewatch import inspection  # noqa: PLC0415 - as above

        return getattr(inspection, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
