"""What can be set, with its bounds; two presets: `fast` and `reference`.

Values are checked on construction; `load` reads a TOML file with the same names over a preset.
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

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Channels = tuple[Count, ...]
Length = Annotated[float, Field(gt=0, le=64)]
Preset = Literal["fast", "reference"]

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class SurfaceConfig:
    """Phase one: what of a cell is compared, with how many good cells; lengths in px of the prepared photograph."""

    patch: Literal[4, 8, 16, 32] = 4
    """Side of a cell."""
    colour_window: Annotated[float, Field(gt=0, le=32)] = 1.0
    """For its colour a cell looks at itself and this far around its middle (standard deviation of a Gaussian),"""
    line_window: Annotated[float, Field(gt=0, le=32)] = 1.0
    """and for its lines at least this far, wider for wide bands."""
    bands: Annotated[tuple[Length, ...], Field(min_length=1)] = (0.7, 1.4, 2.8, 5.6)
    """Widths between which detail is measured, an octave apart, the narrowest first."""
    directions: tuple[Length, ...] = (1.0, 2.0)
    """Blurs before the gradients whose main direction is measured."""
    lightness: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Weight of lightness beside colour: a lamp changes it first."""
    noise_floor: Annotated[float, Field(gt=0, le=10)] = 0.2
    """Detail below this, in L, a or b (L is 0 to 100), is the camera's noise."""
    illumination_copies: Annotated[int, Field(ge=0, le=10)] = 2
    """Copies of each good plate in other light that the banks hold beside the plate itself."""
    brightness_range: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """A copy is brighter or darker by up to this share,"""
    warmth_range: Annotated[float, Field(ge=0, lt=1)] = 0.04
    """and up to this share redder and less blue, or the other way: 0.04 is about 500 K of a lamp's colour."""
    bank: Annotated[int, Field(ge=16)] = 65536
    """Good cells drawn for each bank; of those that are alike one is kept."""
    smooth: Annotated[float, Field(gt=0, le=32)] = 4.0
    """Blur of the finished map."""
    line_weight: Annotated[float, Field(gt=0, le=10)] = 4.0
    """Weight of lines beside colour in the joined map: colour peaks higher, lines mark more of a worn place."""
    peak_fraction: Share = 0.002
    """A map's unit is the mean over this share of its largest places."""
    score_fractions: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.005, 0.02)
    """The score is the largest of the joined map's means over these shares of its largest places, each in its own unit:
    a small one for a spot or a scratch, a broad one for worn paint."""

    def __post_init__(self) -> None:
        if any(wider <= width for width, wider in pairwise(self.bands)):
            raise ValueError(f"bands {self.bands}: each must be wider than the one before it")


@dataclass(frozen=True, config=STRICT)
class NetworkConfig:
    """Phase two's generator and discriminator; the defaults are the published ones (arXiv 1901.08954, docs/log.md)."""

    resolution: Annotated[int, Field(ge=32, le=1024)] = 256
    """Side in px that the network sees; the graph averages the prepared photograph down to it."""
    encoder: Channels = (64, 128, 256, 512, 512)
    """Channels of each encoder block; each halves the side."""
    convolutions: Annotated[int, Field(ge=0, le=8)] = 3
    """3×3 convolutions after the strided one in each encoder block."""
    discriminator: Channels = (64, 128, 256, 512)
    """Channels of each discriminator block; each halves the side."""
    feature_size: Count = 100
    """Length of the discriminator's latent feature."""
    cut_skips: Annotated[int, Field(ge=0)] = 0
    """How many of the outermost skip connections are cut, so that fine detail cannot be copied through."""
    fused_upsampling: bool = False
    """Whether the decoder's convolutions over doubled pictures are computed with their taps added up while training:
    the same numbers but for rounding, from half of the multiplications. A model folder has them added up either way."""
    norm_momentum: Share = 0.1
    """Momentum of the running batch-norm statistics (PyTorch's sense); they are exported where `ema` is 0."""

    def __post_init__(self) -> None:
        halvings = max(len(self.encoder), len(self.discriminator))
        if not self.encoder or not self.discriminator:
            raise ValueError("encoder and discriminator need at least one block each")
        if self.resolution % 2**halvings:
            raise ValueError(f"resolution {self.resolution} cannot be halved {halvings} times; take a multiple of 2^n")
        if self.cut_skips >= len(self.encoder):
            raise ValueError(f"cut_skips {self.cut_skips}: only {len(self.encoder) - 1} skip connections are there")


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Phase two's training; the defaults are the published ones."""

    epochs: Count = 100
    batch_size: Annotated[int, Field(ge=2, le=256)] = 4
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    final_rate: Share = 1.0
    """Share of `learning_rate` that is left at the end; it falls along half a cosine."""
    w_adv: Annotated[float, Field(ge=0)] = 0.1
    w_con: Annotated[float, Field(ge=0)] = 4.0
    w_lat: Annotated[float, Field(ge=0)] = 0.1
    w_defect: Annotated[float, Field(ge=0)] = 1.0
    """Weight in the contextual loss of places where a defect was forged, beside 1 for all others."""
    flip_horizontal: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Chance of a left-right flip; where it does not happen, `flip_vertical` is tried."""
    flip_vertical: Annotated[float, Field(ge=0, le=1)] = 0.5
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Rotation is drawn from ± this angle."""
    any_angle: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Chance that a plate is turned to any angle instead: upright is learned best, and what is turned stays known."""
    brightness_range: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """A plate is made brighter or darker by up to this share, so that the lamp becomes no defect."""
    defect_probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Chance that a defect is forged onto the input while the clean plate stays the target."""
    freeze_norms: Share = 1.0
    """Share of the epochs after which the Generator's batch-norm statistics stay as they are: from then on a plate is
    redrawn in training as it is in use, whatever the others of its batch; 1 for never."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What the convolutions compute in while training; float32 all the same where the machine has no bfloat16."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the averaged weights that are exported, with batch-norm statistics measured anew on the good plates;
    0 exports the last weights with their running statistics."""


@dataclass(frozen=True, config=STRICT)
class ScoreConfig:
    """How phase two's error map becomes one reconstruction error."""

    tolerance: Annotated[int, Field(ge=0, le=16)] = 0
    """Network px by which an edge may be drawn out of place: the error of a place is how far it lies from what the
    redrawn plate shows within this distance."""
    colours: Literal["mean", "opponent"] = "mean"
    """How the channels' errors become one: their mean, or the length of the error in lightness, yellow to blue and
    green to purple, so that a change of colour counts beside a change of light."""
    blur: Annotated[float, Field(ge=0, le=32)] = 0.0
    """Standard deviation in network px of the blur over the error map; 0 for none."""
    pool_fraction: Share = 1.0
    """The reconstruction error is the mean over this share of the map's largest places; 1 is the plain mean."""


@dataclass(frozen=True, config=STRICT)
class CalibrationConfig:
    """How good plates become a threshold."""

    folds: Annotated[int, Field(ge=2, le=20)] = 3
    """Every good plate is scored by a model that was fitted without it, in this many turns."""
    review_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.025
    """The share of good plates that a person may have to look at, were their log scores bell-shaped."""
    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """The share of good plates that REJECT may cost; 1 / (good plates + 1) at least can be promised."""


@dataclass(frozen=True, config=STRICT)
class SensitivityConfig:
    """What is tried on good plates to state what the model finds; lengths in px of the prepared photograph."""

    widths: Annotated[tuple[Length, ...], Field(min_length=1)] = (1.0, 2.0, 4.0, 8.0)
    """Widths of forged scratches,"""
    length: Share = 0.25
    """their length as a share of the picture's side,"""
    diameters: Annotated[tuple[Length, ...], Field(min_length=1)] = (3.0, 6.0, 12.0, 24.0)
    """diameters of forged rust spots,"""
    contrasts: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.1, 0.2, 0.3, 0.5)
    """and the change of the strongest channel, as a share of its range, with which each of them is forged."""
    plates: Count = 20
    """Good plates that each of them is forged onto, at most."""
    brightnesses: tuple[Annotated[float, Field(gt=0, le=4)], ...] = (0.75, 0.9, 1.1, 1.25)
    """Every good plate is judged again with its channels multiplied by each of these,"""
    warmth: Annotated[float, Field(ge=0, lt=1)] = 0.04
    """and with red raised and blue lowered by this share, or the other way: 0.04 is about 500 K; 0 leaves it out."""


@dataclass(frozen=True, config=STRICT)
class Config:
    """Everything that training depends on besides the photographs."""

    preset: Preset
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    image_size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 256
    """Side S in px of the prepared photograph."""
    min_images: Annotated[int, Field(ge=3)] = 20
    """Fewer good photographs than this are refused."""
    mm_per_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What one px of a photograph as it came shows of the plate; lengths are then stated in mm too."""
    surface: SurfaceConfig = SurfaceConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    score: ScoreConfig = ScoreConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    sensitivity: SensitivityConfig = SensitivityConfig()

    def __post_init__(self) -> None:
        if self.network.resolution > self.image_size:
            raise ValueError(
                f"network.resolution {self.network.resolution} is larger than image_size {self.image_size}"
            )


_PRESETS: dict[str, dict[str, Any]] = {
    "reference": {"calibration": {"folds": 2}},
    "fast": {
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
    """The named preset with `changes` laid over it; a mapping changes only the names in it.

    Raises InputError for an unknown preset, an unknown name or a value out of its bounds.
    """
    if not isinstance(name, str) or name not in _PRESETS:
        raise InputError(f"preset {name!r}", expected=f"one of {', '.join(sorted(_PRESETS))}")
    return build(_merge({"preset": name, **_PRESETS[name]}, renamed(changes)))


def load(path: Path, /, **changes: Any) -> Config:
    """Read a TOML file laid over the preset that it names (`fast` without a name), then `changes`.

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
"""Names of 0.1.0 and what they are called now; both are read."""


def build(values: Mapping[str, Any]) -> Config:
    """The Config that `values` (as from `asdict`) describe; raises InputError where one is out of its bounds."""
    try:
        return TypeAdapter(Config).validate_python(renamed(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = "" if first["type"] == "value_error" else f", got {first.get('input')!r}"
        raise InputError(
            f"configuration{where and ' ' + where}", f"{first['msg'].removeprefix('Value error, ')}{what}"
        ) from error


def renamed(values: Any) -> Any:
    """The same plain values with the names of 0.1.0 replaced by today's; what is no mapping is left for the check."""
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
    """The configuration as plain values; `build` is its inverse."""
    return asdict(config)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if nested else value
    return merged
