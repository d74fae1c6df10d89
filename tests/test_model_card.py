"""The card agrees with the manifest, names no machine and no date, and escapes file names."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import tiny
from conftest import Tiny
from platewatch.cli import summary
from platewatch.decision import blind_spots, sensitivity_summary
from platewatch.decision.sensitivity_summary import Illumination
from platewatch.evaluation import model_card, tables
from platewatch.inspection import Verdict
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import CalibrationPlate, Manifest
from platewatch.photographs import reading

ROOT = Path(__file__).parents[1]


@pytest.fixture
def manifest(inspector: Inspector) -> Manifest:
    return inspector.manifest


@pytest.fixture
def written(tiny_model: Tiny) -> str:
    return (tiny_model.model / "model-card.md").read_text(encoding="utf-8")


def rows(text: str) -> list[tuple[str, ...]]:
    """The entries of every table row."""
    lines = (line for line in text.splitlines() if line.startswith("| ") and "---" not in line)
    return [tuple(line.strip("| ").split(" | ")) for line in lines]


def test_training_writes_the_card_of_its_manifest(written: str, manifest: Manifest) -> None:
    """Except the outliers, which are not in the manifest."""
    expected = model_card.text(manifest, [("x", "y")])
    (before, _, after), (head, _, tail) = (each.partition("## Look at these") for each in (written, expected))
    assert before == head
    assert after.partition("## Blind spots")[2] == tail.partition("## Blind spots")[2]


def test_its_figures_are_the_manifest_s(written: str, manifest: Manifest) -> None:
    found = manifest.sensitivity
    shown = rows(written)
    for trial in (*found.scratch, *found.rust):
        counts = (f"{trial.found} of {trial.plates}", tables.interval(trial.interval), str(trial.rejected))
        assert (found.length(trial.size_px), sensitivity_summary.percent(trial.contrast), *counts) in shown
    for trial in found.structural:
        counts = (f"{trial.found} of {trial.plates}", tables.interval(trial.interval), str(trial.rejected))
        levels = sensitivity_summary.percent(trial.strength), sensitivity_summary.percent(trial.contrast)
        assert (sensitivity_summary.NAMES[trial.kind], found.length(trial.size_px), *levels, *counts) in shown
    for level in manifest.light:
        verdicts = map(str, (level.passed, level.review, level.reject))
        assert (level.name, *verdicts, tables.interval(level.interval)) in shown
    for kind in sensitivity_summary.KINDS:
        for sentence in sensitivity_summary.sentences(found, kind):
            assert f"- {sentence}\n" in written
    assert tables.bound_words(manifest.promise) in written
    limits = f"PASS up to {manifest.review:.3f}, REJECT above {manifest.threshold:.3f}"
    assert limits in written
    passing = sum(manifest.decision.verdict(plate.score) is Verdict.PASS for plate in manifest.calibration)
    assert f"Of {tiny.GOOD} good plates {passing} PASS as they are" in written


def test_it_states_the_training_data(written: str, tiny_model: Tiny) -> None:
    photographs = reading.find(tiny_model.data / "train" / "good")
    listed = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in photographs)
    assert hashlib.sha256(listed.encode()).hexdigest() in written
    assert f"| good photographs | {tiny.GOOD}, without duplicates |" in written
    assert "128 px on the longer side" in written
    assert "preset `fast`, seed 0, 2 epochs, 2 folds" in written


def test_the_manifest_holds_its_hash_and_it_names_neither_id_nor_date_nor_path(
    written: str, manifest: Manifest, tiny_model: Tiny
) -> None:
    assert manifest.files["model-card.md"] == hashlib.sha256(written.encode()).hexdigest()
    assert manifest.model_id not in written
    assert not re.search(r"\b20\d\d-\d\d|\d\d:\d\d", written)
    assert str(tiny_model.data) not in written
    assert str(tiny_model.model) not in written


def test_its_charts_lie_beside_it(written: str, tiny_model: Tiny) -> None:
    links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", written)
    assert links == ["training/sensitivity.png", "training/light.png", "blind-spots.png"]
    assert all((tiny_model.model / link).is_file() for link in links)


def test_good_plates_to_look_at_are_named_with_the_reason(manifest: Manifest) -> None:
    worst = max(manifest.calibration, key=lambda plate: plate.score)
    strict = replace(manifest, decision=replace(manifest.decision, review=worst.score - 1e-6, threshold=worst.score))
    text = model_card.text(strict, [("003.png", "little blue")])
    assert "- `003.png`: little blue\n" in text
    assert f"- `{worst.name}`: score {worst.score:.2f}, REVIEW\n" in text
    easy = model_card.text(replace(manifest, decision=replace(manifest.decision, review=1e6, threshold=1e6)), [])
    assert "None of the good photographs stood out before training." in easy
    assert "all of them PASS" in easy


def test_blind_spots_come_from_the_numbers(manifest: Manifest) -> None:
    found = manifest.sensitivity
    blind = replace(found, scratch=tuple(replace(each, found=0) for each in found.scratch))
    usual, dark = Illumination(1, 0, 10, 0, 0, (0, 0.3)), Illumination(0.8, 0, 4, 5, 1, (0, 0.4))
    text = model_card.text(replace(manifest, sensitivity=blind, light=(dark, usual)), [])
    sentences = blind_spots.sentences(blind)
    assert len(sentences) == len(blind_spots.ALL_KINDS)
    for sentence in sentences:
        assert f"- {sentence}\n" in text
    assert blind_spots.few_words(blind) in text
    assert "no scratch that was tried is found on 95\u00a0% of plates" in text
    assert "- 20\u00a0% darker: 6 of 10 good plates do not PASS." in text
    sharp = tuple(replace(each, found=each.plates) for each in found.scratch)
    seen = replace(found, scratch=sharp, rust=tuple(replace(each, found=each.plates) for each in found.rust))
    assert "- Scratch, 32 px long: all that were tried are found" in model_card.text(
        replace(manifest, sensitivity=seen, light=(usual,)), []
    )
    none = replace(manifest, sensitivity=replace(found, passing=0), light=(usual,))
    assert "blind-spots.png" not in model_card.text(none, []), "without a trial there is no picture"


def test_lengths_are_in_mm_where_the_scale_is_known(manifest: Manifest) -> None:
    found = replace(manifest.sensitivity, mm_per_px=0.25)
    assert "1 px shows 0.25 mm" in model_card.text(replace(manifest, sensitivity=found), [])
    assert "mm" not in model_card.text(manifest, []).replace("mm_per_px", "").replace("commands", "")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<img src=x>.png", "`<img src=x>.png`"),
        ("a`b.png", "``a`b.png``"),
        ("`.png", "`` `.png ``"),
        ("a\nb|*c*.png", "`a b|*c*.png`"),
    ],
)
def test_a_name_is_no_markdown(manifest: Manifest, name: str, shown: str) -> None:
    assert f"- {shown}: dark\n" in model_card.text(manifest, [(name, "dark")])


def test_the_command_line_ends_with_what_is_found_and_where_the_card_is(manifest: Manifest) -> None:
    (table,) = summary.model(manifest)
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    for kind in sensitivity_summary.KINDS:
        assert sensitivity_summary.summary_sentence(manifest.sensitivity, kind) in text
    assert blind_spots.structural_summary(manifest.sensitivity) in text
    assert "of the part's own texture" in text
    assert "model-card.md in the model folder" in text


def test_the_photographs_digest_does_not_depend_on_their_order() -> None:
    plates = [CalibrationPlate(name, digit * 64, 1, 1, 1, 1) for name, digit in (("b.png", "2"), ("a.png", "1"))]
    expected = hashlib.sha256(f"{'1' * 64}  a.png\n{'2' * 64}  b.png\n".encode()).hexdigest()
    assert model_card.digest(plates) == model_card.digest(plates[::-1]) == expected


def test_the_document_explains_every_part_of_the_card(written: str) -> None:
    document = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## (.+)$", written, re.MULTILINE)
    assert re.findall(r"^## (.+)$", document, re.MULTILINE)[: len(parts)] == parts
    assert model_folder.CARD in document
