"""Mutated model folders by a seed: their hashes fit, as somebody could send them.

Each mutation is small and random; none is made to harm any program.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper as made

Values = dict[str, Any]
Mutation = Callable[[np.random.Generator, Path, Values], str]
"""Changes a file of the folder or the manifest's values, and says what."""

_ODD: tuple[Any, ...] = (
    *(None, True, False, "", "0.5", "\ud800", "a\x00b", "x" * 5000, [], [1], {}, {"a": 1}, [[]] * 3),
    *(0, -1, 1, 2, 10**6, 2**31, 2**63, 10**30, 10**300, 0.5, -0.5, 1e-300, 1e300, 1e308, -0.0),
    *(float("nan"), float("inf"), float("-inf")),
)
_GRAPHS = ("network.onnx", "backbone.onnx")
_JUDGING = ("surface.npz", "shape.npz", *_GRAPHS)
"""The files that judge; a model may lack all but the first."""


def mutated_model_folders(source: Path, folder: Path, seed: int, count: int) -> Iterator[str]:
    """Write `count` mutations of the model folder `source` to `folder`, one after the other; yields what each is."""
    rng = np.random.default_rng(seed)
    values = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    kept = {*_detectors(values), *(plate["file"] for plate in values["replay"])}
    values["files"] = {name: digest for name, digest in values["files"].items() if name in kept}
    whole = {folder / name: (source / name).read_bytes() for name in kept}
    shutil.rmtree(folder, ignore_errors=True)
    for path in whole:
        path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(count):
        for path, data in whole.items():  # a mutation changes what is in a file, and neither adds nor removes one
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)
        changed = json.loads(json.dumps(values))
        mutation: Mutation = _MUTATIONS[int(rng.integers(len(_MUTATIONS)))]
        what = mutation(rng, folder, changed)
        write(folder, changed)
        yield what


def _detectors(values: Values, among: Sequence[str] = _JUDGING) -> list[str]:
    return [name for name in among if name in values["files"]]


def write(folder: Path, values: Values) -> None:
    """Write the manifest with hashes and digest that fit."""
    if isinstance(values.get("files"), dict):
        for name in values["files"]:
            try:
                values["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            except (OSError, ValueError):
                continue
    content = {name: value for name, value in values.items() if name != "digest"}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    values = {"digest": hashlib.sha256(canonical.encode()).hexdigest(), **content}
    (folder / "manifest.json").write_text(json.dumps(values))


def _manifest(rng: np.random.Generator, _folder: Path, values: Values) -> str:
    """One value of the manifest is another one, is missing, or has a neighbour."""
    place: Any = values
    path = []
    while True:
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        key = keys[int(rng.integers(len(keys)))]
        path.append(key)
        if not (isinstance(place[key], dict | list) and place[key]) or rng.random() < 0.15:
            break
        place = place[key]
    match int(rng.integers(8)):
        case 0:
            del place[key]
            return f"manifest without {path}"
        case 1 if isinstance(place, dict):
            place[str(rng.choice(["former_digest", "extra", "../x", "a\nb"]))] = place[key]
            return f"manifest with a neighbour of {path}"
        case 2 if isinstance(place[key], float):
            place[key] *= float(rng.choice([-1, 0, 1e-12, 1e12, 1e300]))
        case _:
            place[key] = _ODD[int(rng.integers(len(_ODD)))]
    return f"manifest with {path} = {place[key]!r:.60}"


def _bytes(rng: np.random.Generator, folder: Path, values: Values) -> str:
    """A few bytes of a file are others, or its end is missing."""
    names = [*_detectors(values), *(plate["file"] for plate in values["replay"])]
    name = names[min(int(rng.integers(6)), len(names) - 1)]
    data = bytearray((folder / name).read_bytes())
    places = rng.integers(len(data), size=int(rng.integers(1, 9)))
    if rng.random() < 0.3:
        places = places % 400  # headers
    for place in places:
        data[int(place)] = int(rng.integers(256))
    if rng.random() < 0.2:
        del data[int(rng.integers(len(data))) :]
    (folder / name).write_bytes(data)
    return f"{name} with other bytes at {places.tolist()}"


def _surface(rng: np.random.Generator, folder: Path, _values: Values) -> str:
    """An array of surface.npz has another type, shape or value, is missing or has a neighbour."""
    path = folder / "surface.npz"
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    name = str(rng.choice(sorted(arrays)))
    array = arrays[name]
    match int(rng.integers(8)):
        case 0:
            del arrays[name]
        case 1:
            arrays["extra"] = np.zeros(int(rng.integers(1, 2000)), np.float32)
        case 2:
            arrays[name] = array.astype(str(rng.choice(["f8", "f2", "i4", "?", ">f4", "c8"])))
        case 3:
            arrays[name] = array[..., None]
        case 4:
            arrays[name] = np.concatenate([np.atleast_1d(array)] * 2)
        case 5:
            arrays[name] = np.atleast_1d(array)[: int(rng.integers(2))]
        case 6:
            arrays[name] = np.asfortranarray(array)
        case _:
            np.atleast_1d(array).reshape(-1)[: int(rng.integers(1, 50))] = float(
                rng.choice([np.nan, np.inf, -1, 0, 1e-30, 1e30])
            )
            arrays[name] = array
    np.savez(path, allow_pickle=False, **arrays)
    return f"surface.npz with another {name}"


def _header(rng: np.random.Generator, folder: Path, _values: Values) -> str:
    """An array of surface.npz says in its header that it is larger, or is followed by more bytes than it says."""
    path = folder / "surface.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice(sorted(members)))
    shape = str(rng.choice(["(100000000, 6)", "(3, 6)", "(-1, 6)", "()", "(1,)", "'a'", "None", "(2.5,)"]))
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    written = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    members[name] = written + members[name][len(written) :]
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    path.write_bytes(packed.getvalue())
    return f"surface.npz with {name} of shape {shape}"


def _network(rng: np.random.Generator, folder: Path, values: Values) -> str:
    """A node, tensor, input or output of a graph is another one."""
    graphs = _detectors(values, _GRAPHS)
    path = folder / graphs[int(rng.integers(len(graphs))) if len(graphs) > 1 else 0]
    model = onnx.load(path)
    graph = model.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
    operators = ["If", "NonZero", "ConstantOfShape", "Expand", "Tile", "Relu", "Identity", "Concat", "Neg", "Custom"]
    match int(rng.integers(9)):
        case 0:
            node.op_type = str(rng.choice(operators))
        case 1:
            node.domain = str(rng.choice(["com.microsoft", "ai.onnx.ml", "own"]))
        case 2:
            graph.node.remove(node)
        case 3 if len(node.input):
            node.input[0] = str(rng.choice([each.name for each in graph.initializer] + ["photos", ""]))
        case 4 if len(tensor.dims):
            tensor.dims[0] = int(rng.choice([0, 1, tensor.dims[0] + 1, 100_000]))
        case 5:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="surface.npz")
        case 6:
            for attribute in node.attribute:
                attribute.i = int(rng.choice([-1, 0, 7, 10**6]))
                attribute.ints[:] = [int(rng.choice([0, 1, 3, 10**6])) for _ in attribute.ints]
        case 7:
            value = graph.output[int(rng.integers(len(graph.output)))]
            value.type.tensor_type.elem_type = int(rng.choice([1, 2, 7, 10]))
        case _:
            size = len(tensor.raw_data)
            noise = rng.integers(256, size=size, dtype=np.uint8).tobytes()
            tensor.raw_data = noise if rng.random() < 0.5 else bytes(size)
    path.write_bytes(model.SerializeToString())
    return f"{path.name} with another {node.op_type} or {tensor.name}"


def silence(path: Path, outputs: Sequence[str]) -> None:
    """Multiply these outputs of a graph by zero."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = [f"{each}_before" if each in outputs else each for each in node.output]
        node.input[:] = [f"{each}_before" if each in outputs else each for each in node.input]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero"))
    model.graph.node.extend(made.make_node("Mul", [f"{name}_before", "zero"], [name]) for name in outputs)
    onnx.save(model, path)


_MUTATIONS: tuple[Mutation, ...] = (*[_manifest] * 3, *[_bytes] * 2, *[_network] * 2, _surface, _header)
