"""Telemetry and caches of the libraries: nothing is sent, and nothing is written into the home folder (invariant 12).

`import platewatch` switches telemetry off, for this process and those that it starts. A program that imports
onnxruntime before platewatch has to set ORT_DISABLE_TELEMETRY=1 itself: ONNX Runtime reads it on import, and its
function to switch telemetry off later does not stop it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id and usage data in ~/.cache/Microsoft
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",  # read by several other libraries
}
_CACHES = ("MPLCONFIGDIR", "XDG_CACHE_HOME")
"""Environment variables for the folders of matplotlib's and fontconfig's lists of fonts."""
_TORCH = "TORCHINDUCTOR_CACHE_DIR"
_kept: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def switch_off() -> None:
    """Set the variables that switch telemetry off, in this process's environment."""
    os.environ.update(_OFF)


def switched_on() -> tuple[str, ...]:
    """The variables that do not switch telemetry off in this process: somebody else has set them."""
    return tuple(name for name, off in _OFF.items() if os.environ.get(name) != off)


def temporary_torch_cache() -> None:
    """Give torch a temporary folder for compiled code until the process ends; one that is set already stays."""
    if _TORCH not in os.environ:
        _kept.append(tempfile.TemporaryDirectory(prefix="platewatch-", ignore_cleanup_errors=True))
        os.environ[_TORCH] = _kept[-1].name


@contextmanager
def temporary_caches() -> Iterator[None]:
    """Within this block, libraries put new caches into a temporary folder, which is removed at its end."""
    before = {name: os.environ.get(name) for name in _CACHES}
    with tempfile.TemporaryDirectory(prefix="platewatch-", ignore_cleanup_errors=True) as folder:
        os.environ.update(dict.fromkeys(_CACHES, folder))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
