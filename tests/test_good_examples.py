"""Good photographs in the model folder: which are kept, and that the most similar one is shown beside a plate."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import stations
from conftest import Tiny
from platewatch.arrays import Photo
from platewatch.errors import ModelError, NotFound
from platewatch.inspection import Verdict
from platewatch.line.model_registry import ModelRegistry
from platewatch.model import good_examples, model_folder
from platewatch.photographs import data_sets, likeness, preparation, reading, thumbnails
from platewatch.records import Policy, Records
from platewatch.station.pictures import Pictures


def bar(turned: float) -> Photo:
    """A bright bar on grey, turned by so many degrees."""
    photo = np.full((120, 120, 3), 90, np.uint8)
    photo[50:70, 15:105] = 220
    turn = cv2.getRotationMatrix2D((60, 60), turned, 1.0)
    return cv2.warpAffine(photo, turn, (120, 120), borderValue=(90, 90, 90)).astype(np.uint8)


def test_the_nearest_has_the_same_pose_whatever_the_defect() -> None:
    good = [likeness.small(bar(angle)) for angle in (0, 45, 90, 135)]
    for number, angle in enumerate((4, 41, 86, 139)):
        damaged = bar(angle)
        damaged[52:68, 52:68] = 0
        assert likeness.nearest(damaged, good) == number


def test_those_that_are_kept_are_unlike_each_other_and_always_the_same() -> None:
    photos = [bar(angle) for angle in (0, 0, 0, 1, 45, 45, 90, 91)]
    chosen = likeness.spread(photos, 3)
    assert sorted(number // 2 for number in chosen[:3]) in ([0, 2, 3], [1, 2, 3])
    assert likeness.spread(photos, 3) == chosen
    assert len(likeness.spread(photos, 20)) == 5, "equal ones are kept once"
    assert likeness.spread(photos, 0) == []


def test_a_model_folder_keeps_small_hashed_pictures_of_its_good_photographs(tiny_model: Tiny) -> None:
    manifest = model_folder.load_manifest(tiny_model.model)
    names = [name for name in manifest.files if name.startswith("good/")]
    assert 0 < len(names) <= manifest.config.examples
    assert sum((tiny_model.model / name).stat().st_size for name in names) <= 256 * 1024
    examples = good_examples.load(tiny_model.model, manifest)
    size = manifest.config.image_size
    for path in data_sets.training(tiny_model.data):
        photo = reading.read(path)
        frame = preparation.frame(photo.shape[1], photo.shape[0], size)
        own = thumbnails.webp(frame.cut(preparation.prepare(photo, size)), 320, 70)
        assert own not in examples.files or examples.nearest(photo) == own


def test_an_altered_picture_is_not_shown_and_an_older_model_shows_the_plates_of_verify(
    tiny_model: Tiny, tmp_path: Path
) -> None:
    manifest = model_folder.load_manifest(tiny_model.model)
    older = replace(manifest, files={name: digest for name, digest in manifest.files.items() if "good/" not in name})
    assert len(good_examples.load(tiny_model.model, older).files) == len(manifest.replay)
    with pytest.raises(NotFound, match="keeps no good photograph"):
        good_examples.load(tiny_model.model, replace(older, replay=()))
    for name in manifest.files:
        if name.startswith("good/"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes((tiny_model.model / name).read_bytes() + b"\0")
    with pytest.raises(ModelError, match="altered"):
        good_examples.load(tmp_path, manifest)


def test_the_station_gives_it_for_a_plate_and_404_where_it_has_none(tiny_model: Tiny, tmp_path: Path) -> None:
    models = ModelRegistry(tiny_model.model)
    good = data_sets.training(tiny_model.data)[0].read_bytes()
    with Records.open(str(tmp_path / "r.db"), policy=Policy(review_share=0)) as records:
        number = records.add(replace(models.loaded().inspect(good), verdict=Verdict.REJECT), good).entry.number
        shown = Image.open(io.BytesIO(Pictures(records, models).good(number)))
        assert (shown.format, max(shown.size)) == ("WEBP", 96)
    (tmp_path / "fake").mkdir()
    with stations.running(tmp_path / "fake") as line:
        line.post(125)
        assert line.client.get("/inspections/1/good.webp").status_code == 404
