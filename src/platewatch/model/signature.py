"""The signature of a model folder, in signature.json beside the manifest.

It signs the manifest's digest, which covers every file of the folder, and the signer's name.
"""

import json
from dataclasses import dataclass as plain
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from platewatch import files
from platewatch.config import STRICT
from platewatch.errors import InputError, ModelError
from platewatch.model import model_folder
from platewatch.model.model_folder import SIGNATURE, Manifest
from platewatch.signing import PrivateKey, PublicKey

_PURPOSE = "model"
_MOST_BYTES = 10_000
_REMEDY = f"remove {SIGNATURE} or sign again"


@plain(frozen=True)
class Signer:
    """Who signed a model."""

    name: str
    """As the signer wrote it; may be empty."""
    key: PublicKey

    def as_dict(self) -> dict[str, str]:
        """Plain JSON values."""
        return {"name": self.name, "fingerprint": self.key.fingerprint}


@dataclass(frozen=True, config=STRICT)
class _File:
    """The content of signature.json; bytes as hexadecimal digits."""

    signer: Annotated[str, Field(max_length=200)]
    public_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern="^[0-9a-f]{128}$")]


_ADAPTER = TypeAdapter(_File)


def sign(folder: Path, key: PrivateKey, name: str = "") -> Signer:
    """Write signature.json for an undamaged folder; raises ModelError, InputError for the name, and OutputError."""
    if len(name) > 200 or not (name.isprintable() or not name):
        raise InputError(f"signer {name[:80]!r}", "no name", expected="at most 200 characters that can be printed")
    message = _message(model_folder.load(folder).manifest, name)
    values = {"signer": name, "public_key": key.public.raw.hex(), "signature": key.sign(_PURPOSE, message).hex()}
    files.write(folder / SIGNATURE, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return Signer(name, key.public)


def signer(folder: Path, manifest: Manifest) -> Signer | None:
    """Who signed the model, None when nobody did; raises ModelError for a signature that is not this model's."""
    path = folder / SIGNATURE
    if not path.exists():
        return None
    try:
        found = _ADAPTER.validate_json(model_folder.read_file(folder, SIGNATURE, _MOST_BYTES), strict=True)
        key = PublicKey(bytes.fromhex(found.public_key))
    except (ValidationError, ValueError) as error:
        raise ModelError(path, "damaged", remedy=_REMEDY) from error
    is_name = found.signer.isprintable() or not found.signer
    if not is_name or not key.verifies(bytes.fromhex(found.signature), _PURPOSE, _message(manifest, found.signer)):
        raise ModelError(path, "not a signature of this model", remedy=_REMEDY)
    return Signer(found.signer, key)


def require(folder: Path, manifest: Manifest, keys: tuple[PublicKey, ...]) -> None:
    """Raise ModelError unless one of the keys signed the model, and for a signature that is not valid."""
    found = signer(folder, manifest)
    if not keys or (found is not None and found.key in keys):
        return
    expected = " or ".join(key.fingerprint[:16] for key in keys)
    what = "not signed" if found is None else f"signed by {found.key.fingerprint[:16]}"
    remedy = "check it, then sign it with 'platewatch sign'"
    raise ModelError(folder, what, expected=f"a signature by {expected}", remedy=remedy)


def _message(manifest: Manifest, name: str) -> bytes:
    return f"{model_folder.written_digest(manifest)}\n{name}".encode()
