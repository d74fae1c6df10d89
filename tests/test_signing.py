"""Ed25519 keys: a signature is valid for its key, its purpose and its message alone; key files are read or refused."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from platewatch import cli, signing
from platewatch.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    signing.create(tmp_path / "line.key")
    return tmp_path / "line.key"


def test_a_signature_is_valid_for_its_key_purpose_and_message_alone(path: Path, tmp_path: Path) -> None:
    private, public = signing.private_key(path), signing.public_key(signing.public_path(path))
    signature = private.sign("model", b"digest")
    assert (len(signature), public) == (64, private.public)
    assert public.verifies(signature, "model", b"digest")
    assert not public.verifies(signature, "anchor", b"digest")
    assert not public.verifies(signature, "model", b"Digest")
    assert not public.verifies(signature[:-1], "model", b"digest")
    assert not signing.create(tmp_path / "other").public.verifies(signature, "model", b"digest")


def test_purpose_and_message_cannot_be_shifted_against_each_other(path: Path) -> None:
    private = signing.private_key(path)
    assert not private.public.verifies(private.sign("model", b"a"), "mode", b"l\0a")


def test_a_private_key_is_its_owner_s_alone_and_shows_nothing(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert repr(signing.private_key(path)) == "PrivateKey()"


def test_no_key_is_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError, match="never overwritten"):
        signing.create(path)
    path.unlink()
    with pytest.raises(InputError, match=r"line\.key\.pub: exists"):
        signing.create(path)
    path.write_bytes(before)


def test_other_files_are_no_keys(path: Path, tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    encoding, password = serialization.Encoding.PEM, serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "ec").write_bytes(
        other.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "locked").write_bytes(other.private_bytes(encoding, serialization.PrivateFormat.PKCS8, password))
    (tmp_path / "ec.pub").write_bytes(
        other.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "text").write_bytes(b"no key")
    for name in ("ec", "locked", "text", "ec.pub"):
        with pytest.raises(InputError, match="not a private key"):
            signing.private_key(tmp_path / name)
    for name in ("ec.pub", "text", path.name):  # a private key too: it should not lie where one checks
        with pytest.raises(InputError, match="not a public key"):
            signing.public_key(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        signing.public_key(tmp_path)


def test_the_command_makes_a_pair_and_prints_whose_it_is(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli.main, ["key", str(tmp_path / "line.key")])
    assert made.exit_code == 0
    public = signing.public_key(tmp_path / "line.key.pub")
    assert made.stdout == f"{tmp_path / 'line.key.pub'}  {public.fingerprint[:16]}\n"
    again = CliRunner().invoke(cli.main, ["key", str(tmp_path / "line.key")])
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
