"""How much of their range photographs use: refused in training or scaled by a known depth, and the same at the line."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

import tiny
from conftest import Tiny
from platewatch.arrays import Array
from platewatch.config import Config
from platewatch.errors import InputError
from platewatch.inspection import Verdict
from platewatch.learning import fitting, preflight
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.photographs import bit_depth, data_sets, reading
from platewatch.photographs.bit_depth import Levels
from platewatch.progress import silent


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(values: Array, significant: int | None = None) -> bytes:
    """A PNG of 16 bits, grey or RGB; with `significant`, it states that depth (sBIT)."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 0, 0, 0, 0)
    stated = chunk(b"sBIT", bytes([significant] * channels)) if significant else b""
    parts = chunk(b"IHDR", header) + stated + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def twelve(photo: Array) -> Array:
    return (photo.astype(np.uint32) * 4095 // 255).astype(np.uint16)


def folder(tiny_model: Tiny, place: Path, bits: int = 12, significant: int | None = None) -> list[Path]:
    """The good plates as a camera of so many bits writes them into 16."""
    place.mkdir()
    for path in data_sets.training(tiny_model.data):
        values = (reading.read(path).astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
        (place / path.name).write_bytes(png(values, significant))
    return sorted(place.iterdir())


@pytest.mark.parametrize(("bits", "most", "option"), [(8, 255, 10), (10, 1023, 10), (12, 4095, 12), (14, 16383, 14)])
def test_photographs_that_use_less_than_a_quarter_are_refused_with_the_depth_they_may_have(
    tiny_model: Tiny, tmp_path: Path, bits: int, most: int, option: int
) -> None:
    paths = folder(tiny_model, tmp_path / "deep", bits)
    with pytest.raises(InputError) as caught:
        preflight.read(paths, tiny.settings(), silent)
    words = str(caught.value)
    assert "10 of 10 photographs use too little of their range" in words
    assert f"of 65535), expected at least 25%; --bits {option} if the camera has {option} bits" in words
    assert int(words.partition("values up to ")[2].partition(" ")[0]) <= most


def test_the_camera_s_depth_scales_them_and_is_in_the_configuration(tiny_model: Tiny, tmp_path: Path) -> None:
    paths = folder(tiny_model, tmp_path / "deep")
    found = preflight.read(paths, tiny.settings(bits=12), silent)
    plain = preflight.read(data_sets.training(tiny_model.data), tiny.settings(), silent)
    assert np.abs(found.photos.astype(int) - plain.photos).max() <= 1
    assert (found.bits, plain.bits, found.failed) == (12, None, ())


def test_a_depth_that_the_files_state_needs_no_option(tiny_model: Tiny, tmp_path: Path) -> None:
    found = preflight.read(folder(tiny_model, tmp_path / "deep", significant=12), tiny.settings(), silent)
    assert (found.bits, found.failed, len(found.paths)) == (12, (), 10)
    assert found.photos.max() > 200
    whole = folder(tiny_model, tmp_path / "whole", bits=16, significant=12)
    assert preflight.read(whole, tiny.settings(), silent).bits is None, "its bits are at the top, as PNG says"


def test_packed_bits_need_no_option_either(tiny_model: Tiny, tmp_path: Path) -> None:
    for path in data_sets.training(tiny_model.data):
        values = twelve(reading.read(path)[..., 0])
        tifffile.imwrite(tmp_path / f"{path.stem}.tif", values, bitspersample=12, metadata=None)
    found = preflight.read(sorted(tmp_path.iterdir()), tiny.settings(), silent)
    assert (found.bits, len(found.paths)) == (None, 10)
    assert found.photos.max() > 150


def test_one_dark_photograph_of_a_set_is_left_out_and_named(tiny_model: Tiny, tmp_path: Path) -> None:
    paths = data_sets.training(tiny_model.data)
    reading.write_png(tmp_path / "dark.png", reading.read(paths[0]) // 8)
    found = preflight.read([*paths, tmp_path / "dark.png"], tiny.settings(), silent)
    assert [path.name for path, _ in found.failed] == ["dark.png"]
    assert "of its range (values up to" in found.failed[0][1]
    assert "a longer exposure or more light" in found.failed[0][1]
    assert "--bits" not in found.failed[0][1]


def test_a_few_defective_pixels_do_not_hide_it() -> None:
    values = np.full((100, 100, 1), 900, np.uint16)
    values[0, 0] = 65535
    levels = bit_depth.measure(reading.raster(png(values), "plate"))
    assert (levels.reached, levels.highest) == (900, 65535)
    with pytest.raises(InputError, match=r"uses 1\.4% of its range"):
        bit_depth.check(levels, None, "plate")


def test_files_that_differ_in_what_they_state_state_nothing() -> None:
    one, other = Levels(16, 12, 4000, 4095), Levels(16, 10, 900, 1023)
    assert bit_depth.stated([one, one]) == 12
    assert bit_depth.stated([one, other]) is None
    assert bit_depth.stated([one, Levels(16, None, 4000, 4095)]) is None
    assert bit_depth.stated([Levels(8, None, 200, 255), one]) == 12
    assert bit_depth.stated([one, Levels(16, 12, 4000, 4096)]) is None


def test_the_line_scales_as_training_did(tiny_model: Tiny, tmp_path: Path) -> None:
    """The manifest holds the depth; a value above it is a camera set otherwise, and no plate."""
    manifest = model_folder.load_manifest(tiny_model.model)
    inspector = Inspector(tiny_model.model)
    good, rusty = (reading.read(tiny_model.data / "test" / kind / "000.png") for kind in ("good", "total_rust"))
    dark = inspector.inspect(png(twelve(good)))
    assert (dark.verdict, dark.score) == (Verdict.REVIEW, None)
    object.__setattr__(inspector.manifest.config, "bits", 12)
    assert manifest.config.bits is None
    for photo in (good, rusty):
        plain, deep = inspector.inspect(photo), inspector.inspect(png(twelve(photo)))
        assert deep.verdict is plain.verdict
        assert deep.score == pytest.approx(plain.score, rel=0.05)
    assert inspector.inspect(tiny_model.data / "test/good/000.png").score == inspector.inspect(good).score
    above = inspector.inspect(png(np.full((128, 128, 3), 4096, np.uint16)), name="plate.png")
    assert above.error == (
        "plate.png: a value of 4096 in a photograph of 12 bits, expected at most 4095; check --bits and the camera"
    )


def test_the_manifest_gets_the_depth_that_the_files_state(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny.settings()
    found = preflight.read(folder(tiny_model, tmp_path / "deep", significant=12), settings, silent)
    used = list[int | None]()

    def train(_found: object, config: Config, *_: object) -> None:
        used.append(config.bits)
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "_train_second", train)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(preflight.look(found, settings), settings, tmp_path / "model", progress=silent)
    assert (used, settings.bits) == ([12], None)


def test_a_model_of_before_keeps_its_id(tiny_model: Tiny, tmp_path: Path) -> None:
    """Its manifest does not name the setting, which has its default."""
    shutil.copytree(tiny_model.model, tmp_path / "model")
    file = tmp_path / "model" / model_folder.MANIFEST
    content = {name: value for name, value in json.loads(file.read_text()).items() if name != "digest"}
    del content["config"]["bits"]
    digest = model_folder._digest(content)
    file.write_text(json.dumps({"digest": digest, **content}))
    assert model_folder.load_manifest(tmp_path / "model").model_id == digest[:12]


def test_people_see_such_a_photograph_and_not_black() -> None:
    photo = reading.shown(png(np.full((40, 40, 3), 4000, np.uint16)), "plate 1")
    assert (photo == round(4000 * 255 / 4095)).all()
    assert (reading.read(png(np.full((40, 40, 3), 4000, np.uint16))) == round(4000 / 257)).all()
