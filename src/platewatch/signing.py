"""Ed25519 keys and signatures (RFC 8032): key files as PEM, as OpenSSL writes them; every signature has a purpose.

A private key KEY lies in one file (PKCS #8, mode 600), its public key in KEY.pub (SubjectPublicKeyInfo). Who checks
needs the public key alone.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from platewatch import files
from platewatch.errors import InputError

_LARGEST = 10_000  # bytes of a key file; an Ed25519 key has about 120


@dataclass(frozen=True)
class PublicKey:
    """Checks signatures; two keys are equal when their 32 bytes are."""

    raw: bytes
    """The 32 bytes of the key."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the 32 bytes, 64 hexadecimal digits; people compare the first 16."""
        return hashlib.sha256(self.raw).hexdigest()

    def verifies(self, signature: bytes, purpose: str, message: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's for this purpose and message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, _signed(purpose, message))
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """Signs; its bytes are shown nowhere."""

    _key: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The public key, with which others check."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, purpose: str, message: bytes) -> bytes:
        """The signature, 64 bytes; one made for a purpose is not valid for another one."""
        return self._key.sign(_signed(purpose, message))


def create(path: Path) -> PrivateKey:
    """Write a new private key to `path` and its public key to `path`.pub; raises InputError when either exists.

    Raises OutputError when one of them cannot be written.
    """
    public = public_path(path)
    for each in (path, public):
        if each.exists():
            raise InputError(each, "exists", remedy="choose another name; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    files.write(path, key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password), private=True)
    files.write(public, key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    return PrivateKey(key)


def public_path(path: Path) -> Path:
    """Where `create` writes the public key of the private key in `path`."""
    return path.with_name(path.name + ".pub")


def private_key(path: Path) -> PrivateKey:
    """The private key in a PEM file; raises InputError."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise _refused(path, "a private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _refused(path, "a private key")
    return PrivateKey(key)


def public_key(path: Path) -> PublicKey:
    """The public key in a PEM file; raises InputError, also for a private key, which is not needed to check."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused(path, "a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _refused(path, "a public key")
    return PublicKey(key.public_bytes_raw())


def _signed(purpose: str, message: bytes) -> bytes:
    return b"platewatch " + purpose.encode() + b"\0" + message


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(path, "no such file", remedy="make a key with 'platewatch key'")
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", remedy="check its permissions") from error


def _refused(path: Path, what: str) -> InputError:
    return InputError(
        path, f"not {what}", expected=f"{what} (Ed25519, PEM, without a password)", remedy="see 'platewatch key --help'"
    )
