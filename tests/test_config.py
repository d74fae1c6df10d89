"""The configuration is checked on construction; every error names the setting in one line."""

from dataclasses import FrozenInstanceError, asdict
from pathlib import Path
from typing import Any

import pytest

from platewatch import config
from platewatch.config import Config, NetworkConfig
from platewatch.errors import InputError


def refused(call: Any, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []


def test_the_reference_preset_has_the_published_settings() -> None:
    """field.md, line by line."""
    reference = config.preset("reference")
    assert reference.image_size == reference.network.resolution == 256
    assert reference.network.encoder == (64, 128, 256, 512, 512)
    assert reference.network.discriminator == (64, 128, 256, 512)
    assert (reference.network.convolutions, reference.network.feature_size, reference.network.cut_skips) == (3, 100, 0)
    assert not reference.network.fused_upsampling  # what others are compared with takes its published time
    training = reference.training
    assert (training.w_adv, training.w_con, training.w_lat) == (0.1, 4, 0.1)
    assert (training.epochs, training.batch_size, training.learning_rate) == (100, 4, 1e-4)
    assert (training.flip_horizontal, training.flip_vertical, training.rotation_degrees) == (0.2, 0.5, 15)
    assert (training.defect_probability, training.ema) == (0, 0)
    assert (reference.score.blur, reference.score.pool_fraction) == (0, 1)


def test_changes_replace_single_settings_of_the_preset() -> None:
    changed = config.preset("fast", seed=3, training={"epochs": 7})
    plain = config.preset("fast")
    assert (changed.seed, changed.training.epochs) == (3, 7)
    assert changed.training.learning_rate == plain.training.learning_rate
    assert changed.network == plain.network


def test_a_configuration_is_frozen_and_survives_as_plain_values() -> None:
    made = config.preset("fast", seed=3)
    assert config.build(config.as_dict(made)) == made == config.build(asdict(made))
    with pytest.raises(FrozenInstanceError):
        made.seed = 4  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(config._PRESETS))
def test_every_preset_can_be_built(name: str) -> None:
    assert isinstance(config.preset(name), Config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, ("seed", "greater than or equal to 0", "-1")),
        ({"image_size": 100}, ("image_size", "multiple of 32", "100")),
        ({"image_size": 32}, ("image_size", "64")),
        ({"image_size": 64}, ("network.resolution 128", "larger than image_size 64")),
        ({"min_images": 2}, ("min_images", "3")),
        ({"epochs": 3}, ("epochs", "Unexpected", "3")),
        ({"training": {"epoch": 3}}, ("training.epoch", "Unexpected")),
        ({"training": {"epochs": 0}}, ("training.epochs", "1")),
        ({"training": 3}, ("training", "3")),
        ({"calibration": {"false_alarm_rate": 0}}, ("calibration.false_alarm_rate", "greater than 0")),
        ({"calibration": {"false_alarm_rate": 0.5}}, ("calibration.false_alarm_rate", "less than 0.5")),
        ({"calibration": {"folds": 1}}, ("calibration.folds", "2")),
        ({"network": {"resolution": 100}}, ("resolution 100", "halved 5 times")),
        ({"network": {"cut_skips": 5}}, ("cut_skips 5", "only 4 skip connections")),
        ({"network": {"encoder": ()}}, ("at least one block",)),
        ({"surface": {"bands": (2.0, 1.0)}}, ("surface", "bands (2.0, 1.0)", "larger than the one before")),
        ({"surface": {"bank": 15}}, ("surface.bank", "16", "15")),
        ({"surface": {"bands": ()}}, ("surface.bands", "at least 1 item")),
    ],
    ids=str,
)
def test_values_out_of_their_bounds(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(lambda: config.preset("fast", **changes), "configuration", *words)


def test_names_of_0_1_0_are_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[surface]\ncell = 8\nrelit = 1\npeak_share = 0.01\n[training]\nforge = 0.5\n", encoding="utf-8")
    made = config.load(path, score={"pool_share": 0.1})
    assert (made.surface.patch, made.surface.illumination_copies, made.surface.peak_fraction) == (8, 1, 0.01)
    assert (made.training.defect_probability, made.score.pool_fraction) == (0.5, 0.1)
    both = {"cell": 8, "patch": 4}
    refused(lambda: config.preset("fast", surface=both), "surface.cell", "is now called patch", "remove cell")


def test_unknown_presets() -> None:
    refused(lambda: config.preset("slow"), "'slow'", "fast, reference")


def test_parts_are_checked_on_their_own() -> None:
    with pytest.raises(ValueError, match="cannot be halved"):
        NetworkConfig(resolution=40, encoder=(8, 16, 32, 64), discriminator=(8,))


def test_a_toml_file_changes_the_preset_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('preset = "reference"\nseed = 5\n[training]\nepochs = 3\n', encoding="utf-8")
    made = config.load(path, seed=6, training={"batch_size": 8})
    assert (made.preset, made.seed, made.training.epochs, made.training.batch_size) == ("reference", 6, 3, 8)
    assert made.network == config.preset("reference").network
    path.write_text("", encoding="utf-8")
    assert config.load(path) == config.preset("fast")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"seed = \n", ("c.toml: not a readable TOML file", "line 1")),
        (b"\xff\xfe", ("c.toml: not a readable TOML file",)),
        (b'preset = "slow"', ("'slow'", "fast, reference")),
        (b'preset = ["fast"]', ("['fast']", "fast, reference")),
        (b'name = "plates"', ("configuration name", "Unexpected")),
        (b'path = "plates"', ("configuration path", "Unexpected")),
        (b"seed = -1", ("configuration seed", "-1")),
        (b"seed = 'one'", ("configuration seed", "'one'")),
    ],
    ids=str,
)
def test_files_that_are_no_configuration(tmp_path: Path, text: bytes, words: tuple[str, ...]) -> None:
    (tmp_path / "c.toml").write_bytes(text)
    refused(lambda: config.load(tmp_path / "c.toml"), *words)


@pytest.mark.parametrize("backbone", ["resnet18", "timm:", "timm:small", "timm:small=", "EfficientNet-Lite0", ""])
def test_a_backbone_that_is_none_of_them(backbone: str) -> None:
    refused(lambda: config.preset("fast", backbone=backbone), repr(backbone), "none, efficientnet-lite0 or timm:NAME=F")


@pytest.mark.parametrize(("size", "words"), [(100, "multiple of 32"), (32, "64"), (8192, "4096")])
def test_a_side_that_no_photograph_is_prepared_to(size: int, words: str) -> None:
    refused(lambda: config.preset("surface", image_size=size), "configuration image_size", words)


def test_a_missing_file(tmp_path: Path) -> None:
    refused(lambda: config.load(tmp_path / "no.toml"), "no.toml", "No such file")
