"""A signed model folder: `sign` writes who vouches for it, `verify` says so, and a line can require it."""

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import platewatch
from conftest import Tiny
from platewatch import cli, signing
from platewatch.errors import InputError, ModelError
from platewatch.line.model_registry import ModelRegistry
from platewatch.model import model_folder, signature, verification
from platewatch.records import Policy
from platewatch.signing import PrivateKey
from platewatch.station import server


@pytest.fixture
def folder(tiny_model: Tiny, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model.model, tmp_path / "models" / "first")


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    return signing.create(tmp_path / "key")


@pytest.fixture(autouse=True)
def one_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "installed", lambda: ("onnxruntime",))


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(each) for each in words])


def test_a_model_is_signed_and_verify_says_by_whom(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    assert json.loads(run("verify", folder, "--json").stdout)["signed_by"] is None
    signed = run("sign", folder, "--key", tmp_path / "key", "--signer", "Quality, Ms Öz")
    fingerprint = key.public.fingerprint
    assert signed.stdout == f"{folder}: signed by {fingerprint[:16]} (Quality, Ms Öz)\n"
    found = json.loads(run("verify", folder, "--json").stdout)
    assert (found["passed"], found["signed_by"]) == (True, {"name": "Quality, Ms Öz", "fingerprint": fingerprint})
    assert f"{fingerprint[:16]} (Quality, Ms Öz)" in run("verify", folder).stdout


def test_only_a_model_that_verifies_is_signed(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    manifest = model_folder.load_manifest(folder)
    blind = replace(manifest, decision=replace(manifest.decision, review=1e6, threshold=1e6))
    model_folder.write_manifest(folder, blind)
    refused = run("sign", folder, "--key", tmp_path / "key")
    assert (refused.exit_code, "does not pass 'platewatch verify'" in refused.stderr) == (1, True)
    assert not (folder / "signature.json").exists()
    assert run("sign", folder, "--key", tmp_path / "key.pub").exit_code == 1


def test_only_a_signed_model_is_loaded_where_that_is_required(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    public, other = tmp_path / "key.pub", tmp_path / "other.pub"
    signing.create(tmp_path / "other")
    with pytest.raises(ModelError, match=f"first: not signed, expected a signature by {key.public.fingerprint[:16]}"):
        platewatch.load(folder, signed_by=[public])
    signature.sign(folder, key)
    assert platewatch.load(folder, threads=1, signed_by=[other, public]).manifest.model_id
    with pytest.raises(ModelError, match=f"first: signed by {key.public.fingerprint[:16]}, expected a signature by"):
        platewatch.load(folder, signed_by=[other])
    with pytest.raises(InputError, match="not a public key"):
        platewatch.load(folder, signed_by=[tmp_path / "key"])


@pytest.mark.parametrize("part", ["signer", "public_key", "signature", "manifest", "text"])
def test_a_signature_that_is_not_this_model_s_is_refused_by_everybody(
    folder: Path, key: PrivateKey, tmp_path: Path, part: str
) -> None:
    signature.sign(folder, key, "Ms Öz")
    path = folder / "signature.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    changed = {
        "signer": "Mr X",
        "public_key": signing.create(tmp_path / "other").public.raw.hex(),
        "signature": "0" * 128,
    }
    if part == "manifest":
        manifest = model_folder.load_manifest(folder)
        model_folder.write_manifest(folder, replace(manifest, decision=replace(manifest.decision, threshold=9.0)))
    elif part == "text":
        path.write_bytes(b"\xff{")
    else:
        path.write_text(json.dumps(values | {part: changed[part]}))
    for ask in (lambda: platewatch.load(folder), lambda: verification.verify(folder)):
        with pytest.raises(ModelError, match=r"signature\.json: (not a signature of this model|damaged)"):
            ask()


def test_names_that_no_terminal_should_print_are_refused(folder: Path, key: PrivateKey) -> None:
    for name in ("\x1b[2J", "a\nb", "x" * 201):
        with pytest.raises(InputError, match="no name"):
            signature.sign(folder, key, name)


def test_signing_again_replaces_the_signature_alone(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    before = model_folder.load_manifest(folder).model_id
    for each in (key, signing.create(tmp_path / "other")):
        signature.sign(folder, each)
        found = signature.signer(folder, model_folder.load_manifest(folder))
        assert found is not None
        assert found.key == each.public
    assert model_folder.load_manifest(folder).model_id == before


def test_a_registry_that_requires_a_signature_refuses_the_others(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    """What `serve --require-signature` and the models page use."""
    public = (tmp_path / "key.pub",)
    with pytest.raises(ModelError, match="not signed"):
        ModelRegistry(folder, signed_by=public)
    signature.sign(folder, key)
    second = shutil.copytree(folder, folder.parent / "second", ignore=shutil.ignore_patterns("signature.json"))
    manifest = model_folder.load_manifest(second)
    other = replace(manifest, decision=replace(manifest.decision, threshold=manifest.threshold + 1))
    model_folder.write_manifest(second, other)
    models = ModelRegistry(folder, signed_by=public)
    with pytest.raises(ModelError, match="second: not signed"), models.with_id(other.model_id):
        pass


def test_the_watch_takes_the_key(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    records: list[str | Path] = ["--records", tmp_path / "records.db", "--require-signature", tmp_path / "key.pub"]
    words: list[str | Path] = ["watch", tmp_path / "camera", "--model", folder, "--once", *records]
    refused = run(*words)
    assert (refused.exit_code, "not signed, expected a signature by" in refused.stderr) == (1, True)
    signature.sign(folder, key)
    assert run(*words).exit_code == 0


def test_the_station_takes_the_key(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    """`serve` runs its station by this plan."""
    records = f"sqlite:///{tmp_path / 'records.db'}"
    plan = server.Plan(model=folder, records=records, policy=Policy(), signed_by=(tmp_path / "key.pub",))
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(ModelError, match="not signed"):
        server.run(plan, listening, lambda _: None)
