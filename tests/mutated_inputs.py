"""Mutated photographs and model files, judged in a child process with limits on memory and time.

    run.py mutations MODEL --count 20000 --seed 1

Each input has to end in an Inspection or a named error, in strict JSON, with nothing on stderr; a photograph whose last
part is zeros is never PASS or REJECT. Otherwise the command names it and exits 1. The same seed gives the same inputs.
The table counts outcomes by the kind of mutation.
"""

import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.harness import Found, Table
from mutated_models import mutated_model_folders
from platewatch.errors import ModelError
from platewatch.model.inspector import Inspector
from platewatch.synthetic import rendered_plates

SECONDS = 20  # for one input, also on a machine that does much else
MEMORY = 1 << 30  # bytes of address space beyond what the loaded model takes
PHOTOGRAPHS, MODELS = "photographs", "models"
REFUSED = "the model folder is refused"
NAMED = ("the photograph is not readable", REFUSED)
ZEROED = "tail zeroed"
LOST = 0.02  # fraction of a file that is zeros; less may be a part of one row of pixels
EXTREME = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

# -- photographs -------------------------------------------------------------------------------------------------------


@cache
def originals() -> dict[str, bytes]:
    """Sound photographs of one plate, in the formats, modes and compressions that cameras and tools write."""
    plate = rendered_plates.render("good", 7, 128)[0]
    rgb, wide = Image.fromarray(plate), plate.astype(np.uint16) * 257
    rgba, exif = rgb.convert("RGBA"), Image.Exif()
    rgba.putalpha(rgb.convert("L"))
    exif[0x0112] = 6
    grey16 = Image.fromarray(wide[..., 0])
    found = {f"PNG {mode}": _saved(rgb.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")}
    found |= {"PNG I;16": _saved(grey16, "PNG"), "PNG key": _saved(rgb, "PNG", transparency=(90, 95, 120))}
    found |= {"PNG 16-bit RGB": cv2.imencode(".png", wide)[1].tobytes()}
    found |= {"PNG animated": _saved(rgb, "PNG", save_all=True, append_images=[rgba.convert("RGB")])}
    found |= {f"JPEG {mode}": _saved(rgb.convert(mode), "JPEG") for mode in ("L", "RGB", "CMYK")}
    found |= {"JPEG progressive": _saved(rgb, "JPEG", progressive=True), "JPEG EXIF": _saved(rgb, "JPEG", exif=exif)}
    found |= {"MPO": _saved(rgb, "MPO", save_all=True, append_images=[rgb])}
    found |= {f"BMP {mode}": _saved(rgb.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")}
    found |= {f"TIFF {mode}": _saved(rgb.convert(mode), "TIFF") for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "F")}
    found |= {f"TIFF {how}": _saved(rgb, "TIFF", compression=how) for how in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")}
    found |= {"TIFF packbits": _saved(rgb, "TIFF", compression="packbits"), "TIFF I;16": _saved(grey16, "TIFF")}
    found |= {"TIFF group4": _saved(rgb.convert("1"), "TIFF", compression="group4")}
    found |= {"TIFF two": _saved(rgb, "TIFF", save_all=True, append_images=[rgb])}
    found |= {"TIFF 16-bit RGB": cv2.imencode(".tif", wide)[1].tobytes()}
    found |= {"WebP": _saved(rgb, "WEBP"), "WebP lossless": _saved(rgb, "WEBP", lossless=True)}
    found |= {
        "WebP alpha": _saved(rgba, "WEBP"),
        "WebP animated": _saved(rgb, "WEBP", save_all=True, append_images=[rgba]),
    }
    return found | {"GIF": _saved(rgb, "GIF"), "text": b"no photograph\n" * 9, "empty": b""}


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _header(data: bytearray, chance: random.Random) -> None:
    """A number near the beginning, or in a TIFF's directory near the end, becomes an extreme one."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        size = chance.choice((1, 2, 4))
        value = chance.choice((*EXTREME, len(data))) & ((1 << 8 * size) - 1)
        place = chance.randrange(max(1, min(len(data), 160)))
        place = place if chance.random() < 0.7 else max(0, len(data) - 1 - place)
        data[place : place + size] = value.to_bytes(size, chance.choice(("big", "little")))


def _zero_tail(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    data[start:] = bytes(len(data) - start)


def _insert(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = chance.randbytes(chance.choice((1, 3, 64, 5000)))


def _shuffle(data: bytearray, chance: random.Random) -> None:
    """Chunks of PNG, segments of JPEG or other pieces change places, are lost or come twice."""
    chunks = pieces(bytes(data))
    for _ in range(chance.choice((1, 1, 2))):
        one, other = chance.randrange(len(chunks)), chance.randrange(len(chunks))
        moved = chunks[other] if chance.random() < 0.5 or len(chunks) == 1 else chunks.pop(other)
        if chance.random() < 0.7:
            chunks.insert(one, moved)
    data[:] = b"".join(chunks)


def _splice(data: bytearray, chance: random.Random) -> None:
    """The beginning of this file and the end of another, or one file behind the other."""
    other = chance.choice(list(originals().values()))
    place = chance.randrange(len(data) + 1)
    data[place:] = other[place:] if chance.random() < 0.7 else other


def _checksums(data: bytearray, chance: random.Random) -> None:
    """Bytes of a PNG's chunks change, and their checksums with them; other files get random bytes somewhere."""
    if not data.startswith(b"\x89PNG"):
        place = chance.randrange(len(data))
        data[place : place + 4] = chance.randbytes(4)
        return
    head, *chunks = pieces(bytes(data))
    place = chance.randrange(len(chunks))
    body = bytearray(chunks[place][4:-4])
    body[chance.randrange(4, len(body)) if len(body) > 4 else 0] = chance.randrange(256)
    chunks[place] = len(body[4:]).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    data[:] = head + b"".join(chunks)


def pieces(data: bytes) -> list[bytes]:
    """A file's chunks by its format; 16 equal pieces where it has none."""
    found, start = [], 8
    if data.startswith(b"\x89PNG"):
        while start < len(data):
            end = start + 12 + int.from_bytes(data[start : start + 4], "big")
            found.append(data[start:end])
            start = end
        return [data[:8], *found]
    if data.startswith(b"\xff\xd8"):
        return [data[:2], *(b"\xff" + each for each in data[3:].split(b"\xff"))]
    step = max(1, len(data) // 16)
    return [data[place : place + step] for place in range(0, len(data), step)] or [b""]


MUTATIONS: dict[str, Callable[[bytearray, random.Random], None]] = {
    "cut": _cut,
    "bits flipped": _flip,
    "header": _header,
    ZEROED: _zero_tail,
    "inserted": _insert,
    "chunks": _shuffle,
    "spliced": _splice,
    "checksums": _checksums,
}


def photographs(seed: int, first: int, last: int) -> Iterator[tuple[str, str, bytes]]:
    """Kind of mutation, name and bytes of the photographs with these numbers; each by seed and number alone."""
    names = list(originals())
    for number in range(first, last):
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - no secrets
        name, kind = names[number % len(names)], chance.choice(list(MUTATIONS))
        data = bytearray(originals()[name])
        for _ in range(chance.choice((1, 1, 1, 2))):
            if data:
                MUTATIONS[kind](data, chance)
        yield kind, f"{number} {name}, {kind}", bytes(data)


# -- the child: one line of JSON for each input, written before it is tried and after ----------------------------------


def child(part: str, model: Path, seed: int, first: int, last: int) -> None:
    """Judge the inputs with these numbers; ends by a signal when one takes too long, and notes what is on stderr."""
    inspector, sound = Inspector(model, threads=1), originals()["PNG RGB"]
    inspector.inspect(sound, "warm-up")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "model"
        for number, (kind, name, data) in enumerate(
            _inputs(part, model, changed, seed, range(first, last)), start=first
        ):
            is_lost = kind == ZEROED and len(data.rstrip(b"\0")) <= (1 - LOST) * len(data)
            print(json.dumps({"number": number, "kind": kind, "name": name, "lost": is_lost}), flush=True)  # noqa: T201
            before = os.fstat(2).st_size
            signal.alarm(SECONDS)
            try:
                judging = inspector if part == PHOTOGRAPHS else Inspector(changed, threads=1)
                found = judging.inspect(data if part == PHOTOGRAPHS else sound, name).as_json()
            except ModelError as error:
                found = json.dumps({"verdict": None, "error": str(error), "reason": REFUSED})
            except Exception as error:  # what must not happen
                found = json.dumps({"raised": f"{type(error).__name__}: {error}"})
            signal.alarm(0)
            said = os.pread(2, 300, before).decode(errors="replace")
            print(json.dumps({"found": found, "stderr": said}), flush=True)  # noqa: T201


def _inputs(part: str, model: Path, changed: Path, seed: int, numbers: range) -> Iterator[tuple[str, str, bytes]]:
    """The photographs, or what was done to the model folder that lies at `changed` when it is yielded."""
    if part == PHOTOGRAPHS:
        yield from photographs(seed, numbers.start, numbers.stop)
        return
    for number, what in enumerate(mutated_model_folders(model, changed, seed, numbers.stop)):
        if number >= numbers.start:
            yield f"model's {what.split()[0]}", f"{number} {what}", b""


# -- the parent --------------------------------------------------------------------------------------------------------


def run(model: Path, count: int, seed: int = 0) -> dict[str, Any]:
    """What became of so many inputs, one in five a model folder: counts by kind and outcome, and what is wrong."""
    counts, wrong, tried = Counter[str](), list[str](), 0
    for part, share in ((PHOTOGRAPHS, count - count // 5), (MODELS, count // 5)):
        first = 0
        while first < share:
            begun = first
            for each, outcome, problem in _judge(part, model, seed, first, share):
                counts[f"{each['kind']}: {outcome}"] += 1
                wrong += [f"{each['name']}: {problem}"] if problem else []
                first = each["number"] + 1
            if first == begun:
                raise RuntimeError("the child did not start; what it said stands above")
        tried += first
    return {"inputs": tried, "counts": dict(sorted(counts.items())), "wrong": wrong}


def _judge(part: str, model: Path, seed: int, first: int, last: int) -> Iterator[tuple[dict[str, Any], str, str]]:
    """One child: each input that it began, its outcome, and what is wrong."""
    words = [sys.executable, __file__, part, str(model), *map(str, (seed, first, last))]
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with tempfile.TemporaryFile("w+b") as stderr:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=stderr, env=here, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if not lines:
            stderr.seek(0)
            sys.stderr.write(stderr.read().decode(errors="replace"))
    for begun, ended in zip(lines[::2], [*lines[1::2], None], strict=False):
        yield begun, *judged(ended, done.returncode, is_lost=begun["lost"])


def judged(ended: dict[str, str] | None, code: int, *, is_lost: bool = False) -> tuple[str, str]:
    """The outcome of one input, and what is wrong with it; empty when all is well. `is_lost`: a part of it is zeros."""
    if ended is None:
        return "ENDED", f"the process ended with {code}"
    try:
        found = json.loads(ended["found"], parse_constant=_no_constant)
    except ValueError as error:
        return "NO JSON", str(error)
    if "raised" in found:
        return "RAISED", found["raised"]
    outcome, problem = found["verdict"] or "FAILED", ""
    if ended["stderr"]:
        problem = f"on stderr: {ended['stderr']!r}"
    elif (found["verdict"] is None) != bool(found["error"]) or "\n" in (found["error"] or ""):
        problem = f"verdict {found['verdict']} with error {found['error']!r}"
    elif is_lost and found["verdict"] in ("PASS", "REJECT"):
        problem = f"verdict {found['verdict']} although a part is lost"
    elif found["verdict"] is None and found["reason"] not in NAMED:
        problem = f"{found['reason']}: {found['error']}"
    return outcome, problem


def measure(model: Path, *, count: int = 20_000, seed: int = 0) -> Found:
    found = run(model, count, seed)
    rows = [[name, str(number)] for name, number in found["counts"].items()]
    return Found({"inputs": found["inputs"]}, {"": Table(["outcome", "inputs"], rows)}, found, wrong=found["wrong"])


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} in JSON")


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
