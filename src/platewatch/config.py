"""Settings of training, with bounds and defaults; the presets `fast`, `reference` and `surface`; reading a TOML file.

Values are checked on construction. A TOML file has the same names as the classes here.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from platewatch.errors import InputError

Fraction = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Channels = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=10)]
Length = Annotated[float, Field(gt=0, le=64)]
Preset = Literal["fast", "reference", "surface"]
BACKBONES = r"^(none|efficientnet-lite0|timm:[\w.-]+=.+)$"
TILE = 256
"""Side of the tiles of which the texture features' network sees larger prepared photographs, px."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=STRICT)
class SurfaceConfig:
    """Phase one: patch features, memory banks, maps and score; lengths in px of the prepared photograph."""

    patch: Literal[4, 8, 16, 32] = 4
    """Side of a patch, px."""
    colour_window: Annotated[float, Field(gt=0, le=32)] = 1.0
    """Standard deviation, px, of the window over which a patch's colour is averaged."""
    line_window: Annotated[float, Field(gt=0, le=32)] = 1.0
    """Standard deviation, px, of the window over which a patch's line features are averaged; at least 1.5 times the
    band's."""
    bands: Annotated[tuple[Length, ...], Field(min_length=1, max_length=16)] = (0.7, 1.4, 2.8, 5.6)
    """Standard deviations, px, ascending. A band is the difference of two successive Gaussian blurs; the first band
    begins at the unblurred photograph."""
    directions: Annotated[tuple[Length, ...], Field(max_length=16)] = (1.0, 2.0)
    """Standard deviations, px, of the Gaussian blurs before the gradients of the structure tensor."""
    lightness: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Weight of L beside a and b in the colour features; below 1, because illumination changes L first."""
    noise_floor: Annotated[float, Field(gt=0, le=10)] = 0.2
    """Added to each line amplitude before its logarithm, in Lab units (L is 0 to 100): camera noise lies below it."""
    illumination_copies: Annotated[int, Field(ge=0, le=10)] = 2
    """Illumination augmentation: number of copies of each good photograph in the memory banks, each dimmer or brighter,
    of random warmth."""
    brightness_range: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Largest relative change of brightness of such a copy; the first two have it. Where photographs are levelled, the
    brighter copies are too, and show pixels that have clipped; the dimmer ones are levelled wrongly by this fraction,
    up and down in turn, because a defect changes the mean brightness as well."""
    warmth_range: Annotated[float, Field(ge=0, lt=1)] = 0.04
    """Largest relative change of red in such a copy; blue changes by as much the other way. 0.04 is about 500 K."""
    levelling_range: Annotated[float, Field(ge=0, le=3)] = 0.0
    """Colour and line features see the photograph with its mean brightness levelled to that of the good ones, by a
    factor of 1 + levelling_range at most; 0: as taken."""
    bank: Annotated[int, Field(ge=16, le=2**20)] = 65536
    """Good patches drawn at random for each memory bank, before the coreset is selected. Photographs larger than
    `pool_area` give more, in proportion, up to 8 times as many."""
    smooth: Annotated[float, Field(gt=0, le=32)] = 4.0
    """Standard deviation, px, of the Gaussian blur of the finished colour and line maps."""
    texture_smooth: Annotated[float, Field(gt=0, le=32)] = 4.0
    """The same of the texture map, whose patches are larger."""
    texture_bank: Annotated[int, Field(ge=16, le=2**20)] = 16384
    """Of these patches, those that the bank of texture features is selected from."""
    texture_length: Annotated[int, Field(ge=1, le=1024)] = 128
    """Most texture features of a patch; the network's features are projected on as many principal axes."""
    line_weight: Annotated[float, Field(gt=0, le=10)] = 4.0
    """Weight of the line map beside the colour map, in a model without texture features."""
    pool_area: Annotated[int, Field(ge=1)] | None = None
    """Fractions of a map are of this many pixels at most; None: of all. So a small defect counts in a large picture."""
    peak_fraction: Fraction = 0.002
    """Maps are normalised by the mean of their top `peak_fraction` pixels."""
    score_fractions: Annotated[tuple[Fraction, ...], Field(min_length=1, max_length=16)] = (0.005, 0.02)
    """For each fraction, the mean of the fused map's top pixels is divided by a scale; the score is the largest result.
    """
    further_fractions: Annotated[tuple[Fraction, ...], Field(max_length=16)] = ()
    """Further fractions of the fused map: a very small one for a spot on a large photograph, a large one for worn paint
    and rust over the whole part. Their scales are at least any good plate's value."""
    fine_fractions: Annotated[tuple[Fraction, ...], Field(max_length=16)] = ()
    """Further fractions, of the map of colour and line alone, for thin scratches and small spots. Their scales are at
    least 1.1 times any good plate's value."""

    def __post_init__(self) -> None:
        if any(wider <= width for width, wider in pairwise(self.bands)):
            raise ValueError(f"bands {self.bands}: each must be larger than the one before it")


@dataclass(frozen=True, config=STRICT)
class NetworkConfig:
    """Phase two's generator and discriminator; the defaults are the published ones (arXiv 1901.08954, docs/log.md)."""

    resolution: Annotated[int, Field(ge=32, le=1024)] = 256
    """Side R in px of the network's input; the graph averages the prepared photograph down to it."""
    encoder: Channels = (64, 128, 256, 512, 512)
    """Channels of each encoder block; each halves the side."""
    convolutions: Annotated[int, Field(ge=0, le=8)] = 3
    """3×3 convolutions after the strided one in each encoder block."""
    discriminator: Channels = (64, 128, 256, 512)
    """Channels of each discriminator block; each halves the side."""
    feature_size: Count = 100
    """Length of the discriminator's latent feature."""
    cut_skips: Annotated[int, Field(ge=0)] = 0
    """Number of skip connections that are removed, outermost first, so that fine detail cannot be copied through."""
    fused_upsampling: bool = False
    """Whether the decoder's upsampling convolutions use fused weights while training: equal results up to rounding,
    with half of the multiplications. An exported network always uses fused weights."""
    norm_momentum: Fraction = 0.1
    """Momentum of the running batch-norm statistics, in PyTorch's sense. They are exported if `ema` is 0."""

    def __post_init__(self) -> None:
        halvings = max(len(self.encoder), len(self.discriminator))
        if not self.encoder or not self.discriminator:
            raise ValueError("encoder and discriminator need at least one block each")
        if self.resolution % 2**halvings:
            raise ValueError(f"resolution {self.resolution} cannot be halved {halvings} times; take a multiple of 2^n")
        if self.cut_skips >= len(self.encoder):
            raise ValueError(f"cut_skips {self.cut_skips}: there are only {len(self.encoder) - 1} skip connections")


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Phase two's training; the defaults are the published ones."""

    epochs: Count = 100
    batch_size: Annotated[int, Field(ge=2, le=256)] = 4
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    final_rate: Fraction = 1.0
    """Fraction of `learning_rate` that is left at the end; the rate falls along half a cosine."""
    w_adv: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the adversarial loss."""
    w_con: Annotated[float, Field(ge=0)] = 4.0
    """Weight of the contextual loss."""
    w_lat: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the latent loss."""
    w_defect: Annotated[float, Field(ge=0)] = 1.0
    """Weight, in the contextual loss, of pixels with an artificial defect; all others have weight 1."""
    flip_horizontal: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Probability of a left-right flip."""
    flip_vertical: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a top-bottom flip of a plate that was not flipped left-right."""
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Rotations are drawn from ± this angle."""
    any_angle: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of a rotation from ± 180° instead."""
    brightness_range: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Illumination augmentation: largest relative change of a plate's brightness."""
    defect_probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of an artificial defect on the input; the target stays the clean plate."""
    freeze_norms: Fraction = 1.0
    """Fraction of the epochs after which the generator's batch-norm statistics are frozen; 1 for never. From then on a
    plate's reconstruction does not depend on its batch, as in use."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the convolutions while training; a machine without bfloat16 uses float32."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential moving average of the weights. The averages are exported, with batch-norm statistics
    recalibrated on the good plates; 0 exports the last weights with their running statistics."""


@dataclass(frozen=True, config=STRICT)
class ScoreConfig:
    """How phase two's error map becomes one reconstruction error; lengths in px of the network's input."""

    tolerance: Annotated[int, Field(ge=0, le=16)] = 0
    """Edges may be displaced by this many px without an error. A pixel's error is its distance from the range of the
    reconstruction's values within this radius."""
    colours: Literal["mean", "opponent"] = "mean"
    """How the errors of the three channels become one: `mean`, or `opponent`, the length of the error in lightness,
    yellow–blue and green–purple. With `opponent` a change of hue counts beside a change of brightness."""
    blur: Annotated[float, Field(ge=0, le=32)] = 0.0
    """Standard deviation, px, of the Gaussian blur of the error map; 0 for none."""
    pool_fraction: Fraction = 1.0
    """The reconstruction error is the mean of the map's top `pool_fraction` pixels; 1 is the plain mean."""


@dataclass(frozen=True, config=STRICT)
class CalibrationConfig:
    """How the limits for PASS and REJECT are set from the scores of good plates."""

    folds: Annotated[int, Field(ge=2, le=20)] = 3
    """Cross-validation folds: every good plate is scored by detectors fitted without it."""
    review_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.025
    """The PASS limit is the 1 − review_rate quantile of a log-normal fit (median, MAD) to the good plates' scores.
    It is lower where good plates are few."""
    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Target for the fraction of good plates with verdict REJECT; n good plates cannot show less than 1 / (n + 1)."""


@dataclass(frozen=True, config=STRICT)
class SensitivityConfig:
    """The sensitivity trials: artificial defects on good plates; lengths in px of the prepared photograph."""

    widths: Annotated[tuple[Length, ...], Field(min_length=1)] = (1.0, 2.0, 4.0, 8.0)
    """Widths of the scratches, px."""
    length: Fraction = 0.25
    """Length of the scratches, as a fraction of the photograph's side."""
    diameters: Annotated[tuple[Length, ...], Field(min_length=1)] = (3.0, 6.0, 12.0, 24.0)
    """Diameters of the rust spots, px."""
    contrasts: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1, 0.2, 0.3, 0.5)
    """Contrasts of both: the change of the strongest channel, as a fraction of its range."""
    plates: Count = 20
    """Good plates on which each size and contrast is tried, at most."""
    structural_diameters: tuple[Length, ...] = (8.0, 24.0)
    """Diameters of missing, additional and pasted pieces, blurred and smeared places, px; none leaves them out."""
    strengths: Annotated[tuple[Annotated[float, Field(ge=0.1, le=1)], ...], Field(min_length=1)] = (0.5, 1.0)
    """Opacities of these; 1 puts the other texture in place of the photograph. Contrast is what comes out."""
    structural_plates: Count = 5
    """Good plates on which each of these kinds, sizes and strengths is tried, at most."""
    brightnesses: tuple[Annotated[float, Field(gt=0, le=4)], ...] = (0.75, 0.9, 1.1, 1.25)
    """Every good plate is judged again with all channels multiplied by each of these factors."""
    warmth: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Every good plate is judged again with red raised and blue lowered by this fraction, and the other way round.
    0.08 is about 1,000 K; 0 leaves these trials out."""


Size = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
"""Millimetres."""


@dataclass(frozen=True, config=STRICT)
class Config:
    """All settings of one training; with the photographs and the machine they determine the model."""

    preset: Preset
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    image_size: Annotated[int, Field(ge=64, le=4096, multiple_of=32)] = 256
    """Side S in px of the prepared photograph."""
    min_images: Annotated[int, Field(ge=3)] = 20
    """Training is refused with fewer good photographs than this."""
    mm_per_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Millimetres per px of the original photographs. If it is set, lengths are stated in mm too."""
    mm_uncertainty: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Relative standard uncertainty of `mm_per_px`, as `platewatch scale` gives it."""
    part_mm: tuple[Size, Size] | None = None
    """Width and height of a part with four sides, mm: then each part's own pose gives its scale."""
    bits: Annotated[int, Field(ge=9, le=15)] | None = None
    """Bits that the camera fills where its files store more, such as 12 in PNGs of 16 bits; None for all of them."""
    backbone: Annotated[str, Field(pattern=BACKBONES, max_length=1000)] = "none"
    """The network of phase one's texture features: `efficientnet-lite0`, `timm:NAME=FILE`, or `none`."""
    examples: Annotated[int, Field(ge=0, le=64)] = 24
    """Good photographs that the model folder keeps as small pictures, to show what good looks like; 0 keeps none."""
    skipganomaly: bool = True
    """Whether there is a phase two. Without it no network is trained, and torch is not needed."""
    surface: SurfaceConfig = SurfaceConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    score: ScoreConfig = ScoreConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    sensitivity: SensitivityConfig = SensitivityConfig()

    @property
    def has_texture(self) -> bool:
        """Whether phase one has a bank of texture features."""
        return self.backbone != "none"

    def __post_init__(self) -> None:
        if self.skipganomaly and self.network.resolution > self.image_size:
            raise ValueError(
                f"network.resolution {self.network.resolution} is larger than image_size {self.image_size}"
            )


_FINE: dict[str, Any] = {"smooth": 2.0, "further_fractions": (0.001, 0.1), "fine_fractions": (0.001, 0.005, 0.02)}
_LIGHT: dict[str, Any] = {"levelling_range": 0.4, "warmth_range": 0.08}
_TEXTURE: dict[str, Any] = {"backbone": "efficientnet-lite0", "surface": {"pool_area": TILE**2, **_FINE, **_LIGHT}}

_PRESETS: dict[str, dict[str, Any]] = {
    "reference": {"calibration": {"folds": 2}},
    "surface": {"skipganomaly": False, "sensitivity": {"plates": 10}, **_TEXTURE},
    "fast": {
        **_TEXTURE,
        "network": {
            "resolution": 128,
            "encoder": (16, 32, 64, 128, 128),
            "convolutions": 1,
            "discriminator": (16, 32, 64, 128),
            "cut_skips": 0,
            "fused_upsampling": True,
            "norm_momentum": 0.05,
        },
        "training": {
            "epochs": 40,
            "precision": "bfloat16",
            "learning_rate": 5e-4,
            "final_rate": 0.02,
            "w_defect": 4.0,
            "flip_horizontal": 0.0,
            "flip_vertical": 0.0,
            "any_angle": 0.3,
            "brightness_range": 0.25,
            "defect_probability": 1.0,
            "freeze_norms": 0.25,
            "ema": 0.99,
        },
        "score": {"tolerance": 1, "colours": "opponent", "blur": 3.0, "pool_fraction": 0.02},
    },
}


def preset(name: str, /, **changes: Any) -> Config:
    """The named preset with `changes` applied; a nested mapping changes only the settings that it names.

    Raises InputError for an unknown preset, an unknown name or a value out of its bounds.
    """
    if not isinstance(name, str) or name not in _PRESETS:
        raise InputError(f"preset {name!r}", expected=f"one of {', '.join(sorted(_PRESETS))}")
    return build(_merge({"preset": name, **_PRESETS[name]}, renamed(changes)))


def load(path: Path, /, **changes: Any) -> Config:
    """The preset that a TOML file names (`fast` if it names none), with the file's settings, then `changes`, applied.

    Raises InputError when the file cannot be read or holds an unknown name or a value out of its bounds.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            path, f"not a readable TOML file ({error})", remedy="see docs/cli.md for an example"
        ) from error
    return preset(values.pop("preset", "fast"), **_merge(renamed(values), changes))


_RENAMED: dict[str, dict[str, str]] = {
    "surface": {
        "cell": "patch",
        "faintest": "noise_floor",
        "relit": "illumination_copies",
        "light": "brightness_range",
        "tint": "warmth_range",
        "peak_share": "peak_fraction",
        "score_shares": "score_fractions",
    },
    "network": {"summed_taps": "fused_upsampling"},
    "training": {"w_forged": "w_defect", "forge": "defect_probability", "light": "brightness_range"},
    "score": {"pool_share": "pool_fraction"},
    "sensitivity": {"lights": "brightnesses", "tint": "warmth"},
}
"""For each section the settings' names in 0.1.0 and their names now; both are read."""


def build(values: Mapping[str, Any]) -> Config:
    """The Config with these values, as `as_dict` gives them; raises InputError for a value out of its bounds."""
    try:
        return TypeAdapter(Config).validate_python(renamed(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "string_pattern_mismatch":  # of backbone alone: its pattern is nothing to read
            what, expected = f"got {first.get('input')!r}", "none, efficientnet-lite0 or timm:NAME=FILE"
            raise InputError(f"configuration {where}", what, expected=expected) from error
        what = "" if first["type"] == "value_error" else f", got {first.get('input')!r}"
        raise InputError(
            f"configuration{where and ' ' + where}", f"{first['msg'].removeprefix('Value error, ')}{what}"
        ) from error


def renamed(values: Any) -> Any:
    """`values` with the names of 0.1.0 replaced by the current ones; anything but a mapping is returned as it is."""
    if not isinstance(values, Mapping):
        return values
    return {part: _with_new_names(part, content) for part, content in values.items()}


def _with_new_names(part: str, content: Any) -> Any:
    if part not in _RENAMED or not isinstance(content, Mapping):
        return content
    names = _RENAMED[part]
    for old in names.keys() & content.keys():
        if names[old] in content:
            raise InputError(
                f"configuration {part}.{old}", f"is now called {names[old]}, which is set too", remedy=f"remove {old}"
            )
    return {names.get(name, name): value for name, value in content.items()}


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values; `build` is the inverse."""
    return asdict(config)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if nested else value
    return merged
