"""Inference: runs the exported ONNX network with ONNX Runtime or OpenVINO; photographs in, raw errors and maps out.

Calibration uses ONNX Runtime. OpenVINO is set to float32 and gives the same numbers to within rounding. In shapes N is
the batch, S the side of the prepared photograph, R the side of the network's input.
"""

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np

from platewatch.arrays import Floats, Photo, Photos
from platewatch.errors import InputError, ModelError, RuntimeUnavailable
from platewatch.model import network_file
from platewatch.model.network_file import FEATURES, OUTPUTS
from platewatch.model.thread_limits import cores

Runtime = Literal["onnxruntime", "openvino"]
RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "openvino")

_MOST_BYTES = 2**32
"""Memory for the numbers of all networks in this process; the presets need less than a tenth."""

_CHUNK = 8  # photographs per run: more are hardly faster, and the runtime keeps the memory of its largest batch
_LARGEST = 1e15  # of an output: the square of a much larger one does not fit into float32


@dataclass(frozen=True)
class NetworkResult:
    """Raw errors and maps of N plates, before calibration."""

    reconstruction_error: Floats
    """(N,) float32 ≥ 0."""
    latent_error: Floats
    """(N,) float32 ≥ 0."""
    anomaly_map: Floats
    """(N, S, S) float32 ≥ 0."""


class Network:
    """The exported network, loaded; may be shared by threads."""

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int = 0,
        runtime: Runtime = "onnxruntime",
        name: str = "",
        at_once: bool = True,
    ) -> None:
        """Load an ONNX file, or its bytes with the `name` for errors; `threads` 0 uses every core of this process.

        Unless `at_once`, the file is only checked here, and the runtime opens it when it is first run.
        Raises ModelError when it is not a network of Platewatch, RuntimeUnavailable when the runtime is not installed.
        """
        self._name = name or ("network" if isinstance(model, bytes) else str(model))
        source = model if isinstance(model, bytes) else _read(model)
        self.image_size = network_file.check(source, self._name)
        """Side S of the input, px."""
        self._source, self._options = source, (threads or cores(), runtime)
        self._lock = threading.Lock()
        self._session: _Session | None = None
        if at_once:
            self._open()

    def run(self, photos: Photos) -> NetworkResult:
        """Errors and maps of photos (N, S, S, 3) uint8 RGB; a photograph's numbers do not depend on its batch.

        Raises InputError for another shape or dtype, ModelError when the runtime fails.
        """
        reconstruction_error, latent_error, anomaly_map = self._infer(OUTPUTS[:3], photos)
        return NetworkResult(reconstruction_error, latent_error, anomaly_map)

    def reconstruct(self, photos: Photos) -> Photos:
        """The reconstructions of photos (N, S, S, 3) uint8 RGB: (N, R, R, 3) uint8. Raises as `run` does."""
        (reconstruction,) = self._infer(OUTPUTS[3:], photos)
        return cast(Photos, reconstruction)

    def _infer(self, outputs: tuple[str, ...], photos: Photos) -> list[Any]:
        _check_photos(photos, self.image_size)
        session = self._open()
        chunks = [np.ascontiguousarray(photos[start : start + _CHUNK]) for start in range(0, len(photos), _CHUNK)]
        results = [_run(session, self._name, outputs, chunk) for chunk in chunks]
        for chunk, found in zip(chunks, results, strict=True):
            for name, value in zip(outputs, found, strict=True):
                _check_result(self._name, name, value, self._shape(name, len(chunk), value))
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    def _open(self) -> "_Session":
        with self._lock:
            if self._session is None:
                self._session, self._source = _open(self._source, self._name, *self._options), b""
            return self._session

    def _shape(self, output: str, count: int, value: Any) -> tuple[int, ...]:
        """The shape that the file declares for an output of `count` photographs."""
        if output == OUTPUTS[3]:
            return (count, *value.shape[1:2] * 2, 3)
        return (count, self.image_size, self.image_size) if output == OUTPUTS[2] else (count,)


def _run(session: "_Session", name: str, outputs: Sequence[str], photos: Photos) -> list[Any]:
    try:
        return session.run(outputs, photos)
    except Exception as error:  # ONNX Runtime raises a class of its own for each status, with no common parent
        what = f"the runtime failed ({_line(error)})"
        raise ModelError(name, what, remedy="export the model again") from error


def _check_photos(photos: Photos, side: int) -> None:
    if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1:] != (side, side, 3) or len(photos) == 0:
        raise InputError(
            "photographs",
            f"{photos.shape} {photos.dtype}",
            expected=f"(N, {side}, {side}, 3) uint8",
            remedy="use preparation.prepare",
        )


def _check_result(network: str, output: str, value: Any, expected: tuple[int, ...]) -> None:
    """Raise ModelError unless an output has the type and shape that the file declares, and finite numbers."""
    if value.shape != expected or value.dtype != (np.uint8 if output == OUTPUTS[3] else np.float32):
        what = f"{output} has the shape {value.shape}, {value.dtype}"
        raise ModelError(network, what, expected=str(expected), remedy="export the model again")
    if not -_LARGEST < value.min() <= value.max() < _LARGEST:  # NaN fails as well
        what, most = f"{output} is not finite", f"numbers below {_LARGEST:g}"
        raise ModelError(network, what, expected=most, remedy="train the model again")


class FeatureNetwork:
    """The exported network of texture features, loaded; may be shared by threads."""

    def __init__(
        self, model: bytes, *, threads: int = 0, runtime: Runtime = "onnxruntime", name: str = "backbone"
    ) -> None:
        """Load the bytes of an ONNX file; raises as `Network` does."""
        self._name = name
        self.image_size, self.length = network_file.check_features(model, name)
        """Side S of the input, px; length F of a patch's features."""
        self._session = _open(model, name, threads or cores(), runtime)

    def run(self, photos: Photos) -> Floats:
        """Features (N, S/8, S/8, F) float32 of photos (N, S, S, 3) uint8 RGB, independent of their batch.

        Raises InputError for another shape or dtype, ModelError when the runtime fails.
        """
        _check_photos(photos, self.image_size)
        side = self.image_size // network_file.PATCH
        parts = list[Floats]()
        for start in range(0, len(photos), _CHUNK):
            chunk = np.ascontiguousarray(photos[start : start + _CHUNK])
            (found,) = _run(self._session, self._name, (FEATURES,), chunk)
            _check_result(self._name, FEATURES, found, (len(chunk), side, side, self.length))
            parts.append(found)
        return np.concatenate(parts)


class InspectorFile:
    """A whole inspector as one graph (`platewatch onnx`), loaded; may be shared by threads."""

    def __init__(
        self, model: bytes, outputs: Sequence[str], *, threads: int = 1, runtime: Runtime = "onnxruntime", name: str
    ) -> None:
        """Load the bytes of an ONNX file; raises as `Network` does."""
        self._name, self._outputs = name, tuple(outputs)
        self._session = _open(model, name, threads, runtime)

    def run(self, picture: Photo) -> list[Any]:
        """The `outputs` for a prepared (S, S, 3) uint8 picture; raises ModelError when the runtime fails."""
        return _run(self._session, self._name, self._outputs, picture)


def installed() -> tuple[Runtime, ...]:
    """The runtimes that are installed here."""
    return tuple(name for name in RUNTIMES if util.find_spec(name) is not None)


class _Session(Protocol):
    """A loaded graph of one runtime; may be shared by threads."""

    def run(self, outputs: Sequence[str], photos: Photos) -> list[Any]: ...


@lru_cache(maxsize=1)
def _limit_memory(onnxruntime: Any) -> None:
    """Let all sessions of this process share one memory arena of limited size; a graph that needs more fails."""
    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    limits = onnxruntime.OrtArenaCfg({"max_mem": _MOST_BYTES})
    with suppress(RuntimeError):  # the calling program has registered its own
        onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use), limits)


class _OnnxRuntime:
    def __init__(self, source: bytes, threads: int) -> None:
        import onnxruntime  # noqa: PLC0415 - heavy, and its absence is reported as our own error

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads free their cores
        options.enable_mem_pattern = False  # a pattern per batch size would be kept, and memory would grow
        options.log_severity_level = 4  # fatal only: errors are raised
        _limit_memory(onnxruntime)
        options.add_session_config_entry("session.use_env_allocators", "1")
        quiet = {"enable_fallback": 0}  # otherwise it prints the failure and tries again
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"], **quiet)
        self._input = self._session.get_inputs()[0].name

    def run(self, outputs: Sequence[str], photos: Photos) -> list[Any]:
        return list(self._session.run(list(outputs), {self._input: photos}))


class _OpenVino:
    def __init__(self, source: bytes, threads: int) -> None:
        # without this module openvino uses a stub in place of sending telemetry on import
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino  # noqa: PLC0415 - as above

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # by default some CPUs use bfloat16, with other numbers
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        self._model = core.compile_model(core.read_model(source), "CPU", settings)
        self._own = threading.local()  # an inference request may be used by one thread at a time
        # In OpenVINO 2026.4.1 the first inferences of two threads may wait for each other for ever: its binding looks
        # NumPy up once, under a lock, and waits for Python's lock meanwhile. So the first one is done here.
        shape = self._model.input(0).get_partial_shape()
        self.run(OUTPUTS[:0], np.zeros([1 if each.is_dynamic else each.get_length() for each in shape], np.uint8))

    def run(self, outputs: Sequence[str], photos: Photos) -> list[Any]:
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        self._own.request.infer({0: photos})
        return [self._own.request.get_tensor(name).data.copy() for name in outputs]


_SESSIONS: dict[Runtime, type[_OnnxRuntime] | type[_OpenVino]] = {"onnxruntime": _OnnxRuntime, "openvino": _OpenVino}


def _open(source: bytes, name: str, threads: int, runtime: Runtime) -> _Session:
    try:
        return _SESSIONS[runtime](source, threads)
    except ImportError as error:
        raise RuntimeUnavailable("", f"{runtime} is not installed", remedy=f"pip install {runtime}") from error
    except Exception as error:  # ONNX Runtime raises a class of its own for each status, with no common parent
        raise ModelError(
            name, f"not a readable ONNX file ({_line(error)})", remedy="restore the file or train again"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            path, f"cannot be read ({error.strerror})", remedy="restore the file or train again"
        ) from error


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
