"""Training gives the same weights bit for bit: twice, side by side, and when it was interrupted."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from platewatch import config
from platewatch.arrays import Masks, Photos
from platewatch.config import Config, TrainingConfig
from platewatch.errors import InputError, ModelError, OutputError
from platewatch.photographs import preparation
from platewatch.photographs.foreground import find_object
from platewatch.skipganomaly import training
from platewatch.skipganomaly.augmentation import augment
from platewatch.skipganomaly.training import LOSSES, Trained, _contextual, _rate, fit_network

NETWORK = {"resolution": 32, "encoder": (8, 16), "discriminator": (8, 16), "feature_size": 8, "cut_skips": 1}


def settings(**training: Any) -> Config:
    values = {"epochs": 4, "defect_probability": 0.5, "ema": 0.9, "freeze_norms": 1.0, "final_rate": 1.0, **training}
    return config.preset("fast", image_size=64, network=NETWORK, training=values)


def plates(count: int = 9, seed: int = 0) -> Photos:
    """Blurred discs of slightly different size in front of grey."""
    rng = np.random.default_rng(seed)
    photos = np.full((count, 64, 64, 3), 190, np.uint8)
    for photo in photos:
        x, y, radius = (int(value) for value in rng.integers((28, 28, 18), (36, 36, 24)))
        cv2.circle(photo, (x, y), radius, (40, 90, 170), -1)
    noisy = photos + rng.normal(0, 3, photos.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def weights(trained: Trained) -> dict[str, Tensor]:
    modules = {"generator": trained.generator, "discriminator": trained.discriminator}
    return {
        f"{part}.{name}": tensor for part, module in modules.items() for name, tensor in module.state_dict().items()
    }


def assert_same(one: Trained, two: Trained) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert (one.mean, one.history) == (two.mean, two.history)


@pytest.fixture(scope="module")
def whole() -> Trained:
    """An uninterrupted training, to compare with."""
    return fit_network(plates(), settings(), seed=1)


@pytest.fixture
def always_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)


def interrupted(
    checkpoint: Path, after: int, error: type[BaseException] = KeyboardInterrupt, changed: Config | None = None
) -> None:
    def stop(epoch: int, _: dict[str, float]) -> None:
        if epoch == after:
            raise error

    with pytest.raises(error):
        fit_network(plates(), changed or settings(), seed=1, checkpoint=checkpoint, on_epoch=stop)


def test_what_training_gives(whole: Trained) -> None:
    assert whole.mean == pytest.approx(plates().mean() / 255)
    assert len(whole.history) == 4
    assert all(tuple(losses) == LOSSES for losses in whole.history)
    modules = [*whole.generator.modules(), *whole.discriminator.modules()]
    assert not any(module.training for module in modules)
    assert all(tensor.is_contiguous() and tensor.isfinite().all() for tensor in weights(whole).values())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_training_learns_to_redraw(ema: float) -> None:
    fast = settings(epochs=60, defect_probability=0.0, learning_rate=2e-3, rotation_degrees=0, ema=ema)
    trained = fit_network(plates(), fast, seed=0)
    assert trained.history[-1]["loss_con"] < 0.4 * trained.history[0]["loss_con"]
    assert redrawing_error(trained) < 2 * trained.history[-1]["loss_con"]


def test_averaged_weights_have_recalibrated_batch_norm() -> None:
    """After a few steps running statistics are near their initial values; recalibrated ones fit the weights."""
    trained = fit_network(plates(), settings(epochs=5, defect_probability=0.0, learning_rate=2e-3, ema=0.9), seed=0)
    assert redrawing_error(trained) < 2 * trained.history[-1]["loss_con"]


def redrawing_error(trained: Trained) -> float:
    """Mean of |x̂ − x| over the good plates, in evaluation mode."""
    x = torch.from_numpy(plates()[:, ::2, ::2]).permute(0, 3, 1, 2) / 255 - trained.mean
    with torch.no_grad():
        return float((trained.generator(x) - x).abs().mean())


def test_the_learning_rate_falls_to_the_final_rate() -> None:
    falling = TrainingConfig(epochs=100, learning_rate=1e-3, final_rate=0.1)
    rates = [_rate(falling, epoch) for epoch in range(1, 101)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[50], rates[-1]) == pytest.approx((1e-3, 5.5e-4, 1e-4), rel=0.01)
    assert {_rate(TrainingConfig(), epoch) for epoch in (1, 50, 100)} == {1e-4}


def test_a_generator_that_is_seen_through_has_a_high_adversarial_loss() -> None:
    """With a fixed generator, a learning discriminator raises the adversarial loss."""
    still = {"w_adv": 0.0, "w_con": 0.0, "w_lat": 0.0, "ema": 0.0, "defect_probability": 0.0}
    last = fit_network(plates(), settings(**still, epochs=12, learning_rate=2e-2), seed=0).history[-1]
    assert last["loss_discriminator"] < 0.5
    assert last["loss_adv"] > 1


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_frozen_norms_are_those_that_are_exported(ema: float) -> None:
    """The statistics do not change after the fraction of epochs in `freeze_norms`."""
    early = {"ema": 0.0, "epochs": 2}
    before = fit_network(plates(), settings(**early), seed=1)
    after = fit_network(plates(), settings(ema=ema, freeze_norms=0.5), seed=1)
    for (name, one), two in zip(before.generator.named_buffers(), after.generator.buffers(), strict=True):
        assert torch.equal(one, two), name


def test_every_plate_is_damaged_where_its_own_object_lies(monkeypatch: pytest.MonkeyPatch, whole: Trained) -> None:
    seen = list[bool]()

    def watched(plates: Photos, insides: Masks, *rest: Any) -> Any:
        seen.extend(np.array_equal(find_object(plate), inside) for plate, inside in zip(plates, insides, strict=True))
        return augment(plates, insides, *rest)

    monkeypatch.setattr(training, "augment", watched)
    assert_same(fit_network(plates(), settings(), seed=1), whole)
    assert seen == [True] * 4 * 9


def test_nothing_is_damaged_on_the_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[bool]()

    def watched(photos: Photos, insides: Masks, *rest: Any) -> Any:
        seen.extend(bool(inside[frame.top].any()) and not inside[: frame.top].any() for inside in insides)
        return augment(photos, insides, *rest)

    side = settings().network.resolution
    frame = preparation.frame(2 * side, side, side)
    monkeypatch.setattr(training, "augment", watched)
    plain = np.full_like(plates(), 120)  # no object: a defect may lie anywhere
    fit_network(plain, settings(epochs=1), seed=1, frames=[frame] * len(plain))
    assert seen == [True] * len(plain)


def test_pixels_with_artificial_defects_weigh_more() -> None:
    x = torch.zeros(2, 3, 8, 8)
    x_input, x_hat = x.clone(), x + 0.5
    x_input[0, 1, :4] = 0.1  # half of one of the two plates has an artificial defect
    plain = _contextual(x_hat, x_input, x, TrainingConfig())
    weighted = _contextual(x_hat, x_input, x, TrainingConfig(w_defect=5))
    assert (plain.item(), weighted.item()) == pytest.approx((0.5, 0.5 * (3 + 5) / 4))


def test_the_same_seed_gives_the_same_weights(whole: Trained) -> None:
    """Invariant 11, whatever the state of the process's global generators."""
    torch.manual_seed(99)
    np.random.seed(99)
    assert_same(fit_network(plates(), settings(), seed=1), whole)


def test_trainings_side_by_side_do_not_disturb_each_other(whole: Trained) -> None:
    with ThreadPoolExecutor(3) as pool:
        seeds = (1, 2, 1)
        first, other, second = pool.map(lambda seed: fit_network(plates(), settings(), seed=seed), seeds)
    assert_same(first, whole)
    assert_same(second, whole)
    assert not torch.equal(weights(other)["generator.last.0.weight"], weights(whole)["generator.last.0.weight"])


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize(("after", "error"), [(1, KeyboardInterrupt), (3, RuntimeError), (4, KeyboardInterrupt)])
def test_an_interrupted_training_ends_the_same(
    tmp_path: Path, whole: Trained, after: int, error: type[BaseException]
) -> None:
    checkpoint = tmp_path / "fold" / "checkpoint.safetensors"
    interrupted(checkpoint, after, error)
    seen: list[int] = []
    resumed = fit_network(
        plates(), settings(), seed=1, checkpoint=checkpoint, on_epoch=lambda epoch, _: seen.append(epoch)
    )
    assert seen == list(range(after + 1, 5))
    assert_same(resumed, whole)
    assert [file.name for file in checkpoint.parent.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.usefixtures("always_saved")
def test_interrupted_again_and_again(tmp_path: Path, whole: Trained) -> None:
    for after in (1, 2, 3):
        interrupted(tmp_path / "checkpoint", after)
    assert_same(fit_network(plates(), settings(), seed=1, checkpoint=tmp_path / "checkpoint"), whole)


@pytest.mark.usefixtures("always_saved")
def test_interrupted_within_an_epoch(tmp_path: Path, whole: Trained) -> None:
    steps = iter(range(5))

    def stop() -> None:
        if next(steps) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_network(plates(), settings(), seed=1, checkpoint=tmp_path / "checkpoint", on_step=stop)
    assert_same(fit_network(plates(), settings(), seed=1, checkpoint=tmp_path / "checkpoint"), whole)


@pytest.mark.usefixtures("always_saved")
def test_without_averaging_and_artificial_defects_it_resumes_as_well(tmp_path: Path) -> None:
    plain = settings(ema=0.0, defect_probability=0.0)
    interrupted(tmp_path / "checkpoint", 2, changed=plain)
    resumed = fit_network(plates(), plain, seed=1, checkpoint=tmp_path / "checkpoint")
    assert_same(resumed, fit_network(plates(), plain, seed=1))


def test_a_short_training_is_saved_at_its_end(tmp_path: Path, whole: Trained) -> None:
    """A checkpoint of the finished training is continued by reading it."""
    checkpoint = tmp_path / "checkpoint"
    interrupted(checkpoint, 1)
    assert not checkpoint.exists()
    assert_same(fit_network(plates(), settings(), seed=1, checkpoint=checkpoint), whole)
    with safe_open(checkpoint, framework="pt") as file:  # invariant 9: no pickle
        assert {name.split(".")[0] for name in file.keys()} == {  # noqa: SIM118 - it is no dictionary
            "generator",
            "discriminator",
            "averaged",
            "generator_adam",
            "discriminator_adam",
        }
    again = fit_network(
        plates(), settings(), seed=1, checkpoint=checkpoint, on_epoch=lambda *_: pytest.fail("trained again")
    )
    assert_same(again, whole)


def test_read_only_photographs_are_left_as_they_are(whole: Trained, recwarn: pytest.WarningsRecorder) -> None:
    photos = plates()
    photos.setflags(write=False)
    assert_same(fit_network(photos, settings(), seed=1), whole)
    assert list(recwarn) == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = tmp_path_factory.mktemp("training") / "checkpoint"
    fit_network(plates(), settings(), seed=1, checkpoint=checkpoint)
    return checkpoint


@pytest.mark.parametrize(
    ("photos", "changes", "seed"),
    [(plates(seed=8), {}, 1), (plates()[:8], {}, 1), (plates(), {"epochs": 5}, 1), (plates(), {}, 2)],
    ids=["other photographs", "fewer photographs", "other settings", "other seed"],
)
def test_another_trainings_checkpoint_is_refused(
    saved: Path, photos: Photos, changes: dict[str, Any], seed: int
) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="other photographs, settings or seed; delete it"):
        fit_network(photos, settings(**changes), seed=seed, checkpoint=saved)
    assert saved.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 4, 300, -1])
def test_a_truncated_checkpoint_is_refused(saved: Path, tmp_path: Path, keep: int) -> None:
    damaged = tmp_path / "checkpoint"
    damaged.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"damaged checkpoint .*; delete it to start over") as caught:
        fit_network(plates(), settings(), seed=1, checkpoint=damaged)
    assert "\n" not in str(caught.value)


def test_foreign_files_are_no_checkpoint(tmp_path: Path) -> None:
    foreign = tmp_path / "checkpoint"
    save_file({"weight": torch.zeros(3)}, foreign)
    with pytest.raises(ModelError, match="damaged checkpoint"):
        fit_network(plates(), settings(), seed=1, checkpoint=foreign)
    with pytest.raises(ModelError, match="damaged checkpoint"):
        fit_network(plates(), settings(), seed=1, checkpoint=tmp_path)


@pytest.mark.usefixtures("always_saved")
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Trained) -> None:
    checkpoint = tmp_path / "checkpoint"
    interrupted(checkpoint, 2)

    def full(_: dict[str, Tensor], path: Path, __: dict[str, str]) -> None:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("platewatch.skipganomaly.checkpoint.save_file", full)
        with pytest.raises(OutputError, match="No space left on device"):
            fit_network(plates(), settings(), seed=1, checkpoint=checkpoint)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]
    assert_same(fit_network(plates(), settings(), seed=1, checkpoint=checkpoint), whole)


def test_a_checkpoint_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        fit_network(plates(), settings(epochs=1), seed=1, checkpoint=tmp_path / "file" / "checkpoint")


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(54, 4, [4] * 13 + [2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (2, 4, [2]), (5, 4, [5]), (3, 2, [3])],
)
def test_batches_take_every_plate_and_leave_none_alone(count: int, size: int, sizes: list[int]) -> None:
    batches = training._batches(count, size, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == sizes
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))


@pytest.mark.parametrize(
    ("photos", "reason"),
    [
        (plates(1), "found 1"),
        (plates()[:, :, :32], "expected"),
        (plates()[..., :1], "expected"),
        (plates()[:, ::4, ::4], "resolution 32: larger than image_size 16"),
    ],
    ids=["one", "not square", "grey", "too small"],
)
def test_unusable_photographs_are_refused(photos: Photos, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        fit_network(photos, settings(), seed=0)


def test_losses_that_are_no_numbers_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "platewatch.skipganomaly.checkpoint.initialise",
        lambda module, _: [nn.init.constant_(w, 1e30) for w in module.parameters()],
    )
    with pytest.raises(InputError, match="losses of epoch 1 are not finite; lower"):
        fit_network(plates(), settings(), seed=0, checkpoint=tmp_path / "checkpoint")
    assert list(tmp_path.iterdir()) == []
