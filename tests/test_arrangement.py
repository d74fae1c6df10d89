"""Trees of other data sets are refused with a command, and this command makes them what training and test need."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from platewatch import cli
from platewatch.errors import InputError, OutputError
from platewatch.photographs import arrangement, data_sets, masks


def tree(root: Path, *names: str) -> Path:
    """Pictures of the given names: of black ones when the name ends with `-`."""
    for name in names:
        path = root / name.removesuffix("-")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40), 0 if name.endswith("-") else 200, np.uint8)).save(path)
    return root


def visa(root: Path) -> Path:
    good = [f"Data/Images/Normal/{number:04}.JPG" for number in range(6)]
    bad = [f"Data/Images/Anomaly/{number:03}.JPG" for number in range(2)]
    return tree(root, *good, *bad, *(f"Data/Masks/Anomaly/{number:03}.png" for number in range(2)))


def kolektor(root: Path) -> Path:
    for part in range(4):
        for number in range(3):
            label = f"kos{part:02}/Part{number}_label.bmp{'' if (part, number) in {(1, 1), (3, 0)} else '-'}"
            tree(root, f"kos{part:02}/Part{number}.jpg", label)
    return root


def kolektor_2(root: Path) -> Path:
    tree(
        root, "train/10.png", "train/10_GT.png-", "train/11.png", "train/11_GT.png-", "train/12.png", "train/12_GT.png"
    )
    return tree(root, "test/20.png", "test/20_GT.png-", "test/21.png", "test/21_GT.png")


def anomalib(root: Path) -> Path:
    tree(root, *(f"good/{number}.jpg" for number in range(5)), "crack/0.jpg", "colour/0.jpg", "colour/1.jpg")
    return tree(root, "mask/crack/0.jpg", "mask/colour/0.png", "mask/colour/1.png")


def ok_ng(root: Path) -> Path:
    return tree(root, *(f"OK/{number}.png" for number in range(4)), "NG/0.png")


EXPECTED = {
    visa: (["0000.JPG", "0001.JPG", "0002.JPG", "0003.JPG"], {"good": 2, "Anomaly": 2}, 2),
    kolektor: ([f"kos0{part}_Part{n}.jpg" for part, n in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2))], {}, 2),
    kolektor_2: (["train_10.png", "train_11.png"], {"good": 1, "defective": 2}, 2),
    anomalib: (["0.jpg", "1.jpg", "2.jpg", "3.jpg"], {"good": 1, "colour": 2, "crack": 1}, 3),
    ok_ng: (["0.png", "1.png", "2.png"], {"good": 1, "NG": 1}, 0),
}


@pytest.mark.parametrize("make", EXPECTED)
def test_the_command_of_the_refusal_arranges_the_tree(tmp_path: Path, make: object) -> None:
    assert callable(make)
    data = make(tmp_path / "a set")
    before = sorted(data.rglob("*"))
    for look in (data_sets.training, data_sets.test):
        with pytest.raises(InputError, match="run platewatch arrange") as caught:
            look(data)
    words = shlex.split(caught.value.remedy.removeprefix("run platewatch "))
    result = CliRunner().invoke(cli.main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    trained, tested, masked = EXPECTED[make]
    out = Path(words[-1])
    assert [path.name for path in data_sets.training(out)] == trained
    samples = data_sets.test(out)
    for defect, count in tested.items():
        assert sum(sample.defect == defect for sample in samples) == count
    found = [sample.mask for sample in samples if sample.mask]
    assert len(found) == masked
    assert all(masks.read(mask).any() for mask in found)
    assert data_sets.unused_masks(out, samples) == []
    assert sorted(data.rglob("*")) == before


def test_parts_of_kolektor_are_not_divided(tmp_path: Path) -> None:
    data = kolektor(tmp_path / "data")
    found = arrangement.arrange(data, tmp_path / "out")
    assert found.counts == {"train/good": 5, "test/good": 5, "test/defective": 2}
    parts = [{path.name[:5] for path in (tmp_path / "out" / part / "good").iterdir()} for part in ("train", "test")]
    assert parts == [{"kos00", "kos01"}, {"kos02", "kos03"}]


def test_visa_is_divided_as_its_table_says(tmp_path: Path) -> None:
    data = visa(tmp_path / "candle")
    rows = [f"candle,{'test' if n < 1 else 'train'},normal,candle/Data/Images/Normal/{n:04}.JPG," for n in range(6)]
    rows += [f"candle,test,anomaly,candle/Data/Images/Anomaly/{n:03}.JPG,x" for n in range(2)]
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text("\n".join(["object,split,label,image,mask", *rows]))
    (data / "image_anno.csv").touch()
    found = arrangement.arrange(data, tmp_path / "out")
    assert (found.counts["train/good"], found.counts["test/good"], found.left_alone) == (5, 1, 1)
    assert found.divided_by == "as the data set says"
    assert [path.name for path in (tmp_path / "out" / "test" / "good").iterdir()] == ["0000.JPG"]


def test_what_cannot_be_arranged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no layout that can be arranged"):
        arrangement.arrange(tree(tmp_path / "mvtec", "train/good/0.png", "test/good/1.png"), tmp_path / "out")
    with pytest.raises(InputError, match="1 good and 1 defective plates, expected at least 2 and 1"):
        arrangement.arrange(tree(tmp_path / "few", "good/0.png", "bad/0.png"), tmp_path / "out")
    unlabelled = tree(tmp_path / "part", "kos1/a.png", "kos1/a_label.bmp", "kos1/b.png")
    with pytest.raises(InputError, match=r"b\.png: no mask beside it"):
        arrangement.arrange(unlabelled, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="not empty"):
        arrangement.arrange(ok_ng(tmp_path / "plates"), tmp_path / "few")
