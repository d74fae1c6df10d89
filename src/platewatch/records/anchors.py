"""Anchors: heads of the chain that are kept outside the record, each as one line of JSON, signed where a key is given.

The owner of the database can rewrite the chain. An anchor out of the owner's reach shows this: the chain must contain
its row with its hash.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platewatch import files
from platewatch.errors import InputError
from platewatch.inspection import now
from platewatch.records.values import Head
from platewatch.signing import PrivateKey, PublicKey

PURPOSE = "anchor"
"""Purpose of the signatures."""
STARTED = "anchors"
"""Kind of the event that says where anchors go and which key signs them."""

_KIND = "platewatch anchor"


@dataclass(frozen=True)
class Anchor:
    """The head of a chain at one time."""

    rows: int
    """Row of the chain; 0 before the first."""
    entries: int
    """Plates up to this row."""
    chain: str
    """Hash of the row."""
    time: str = ""
    """When it was made, ISO 8601; empty when unknown."""
    key: str = ""
    """Fingerprint of the key that signed it; empty without a signature."""
    signature: str = ""
    """Ed25519 signature as hexadecimal digits."""
    station: str = ""
    """Name of the station, for people: the row's number and its hash tell it already."""

    @property
    def number(self) -> int:
        """The row, as destinations name what they deliver."""
        return self.rows

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps({"kind": _KIND, "schema": 1, **vars(self)})

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether this key made its signature."""
        try:
            return key.verifies(bytes.fromhex(self.signature), PURPOSE, self.signed())
        except ValueError:
            return False

    def signed(self) -> bytes:
        """The bytes that are signed."""
        return json.dumps([self.rows, self.entries, self.chain, self.time]).encode()


def make(head: Head, key: PrivateKey | None = None) -> Anchor:
    """The anchor of a head at the present time, signed when there is a key."""
    plain = Anchor(head.rows, head.entries, head.chain, now().isoformat(timespec="seconds"), station=head.station)
    if key is None:
        return plain
    signature = key.sign(PURPOSE, plain.signed()).hex()
    return Anchor(**{**vars(plain), "key": key.public.fingerprint, "signature": signature})


def write_once(anchor: Anchor, folder: Path) -> Path:
    """Write the anchor to a new file that is never written again, durably; raises OutputError."""
    path = folder / f"{anchor.rows:012}-{anchor.chain[:16]}.json"
    files.write_once(path, anchor.as_json() + "\n")
    return path


def read(place: Path) -> list[Anchor]:
    """The anchors in a folder of JSON files, or in a file with one a line as a receiver wrote them; raises InputError.

    Lines of other kinds, such as plates that went to the same receiver, are left out.
    """
    try:
        found_files = sorted(place.glob("*.json")) if place.is_dir() else [place]
        found = [_parsed(line, file) for file in found_files for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            place, f"no anchors can be read ({error})", expected="a folder or a file of anchors"
        ) from error
    return [each for each in found if each is not None]


def _parsed(line: str, file: Path) -> Anchor | None:
    if not line.strip():
        return None
    try:
        values = json.loads(line)
        if not isinstance(values, Mapping) or values.get("kind") != _KIND:
            return None
        return _anchor(values)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            file, f"holds an anchor that cannot be read ({error})", remedy="look at it: was it altered?"
        ) from error


def _anchor(values: Mapping[str, Any]) -> Anchor:
    rows, entries, chain = values["rows"], values["entries"], values["chain"]
    texts = [values.get(name, "") for name in ("time", "key", "signature", "station")]
    if not (
        isinstance(rows, int) and isinstance(entries, int) and all(isinstance(each, str) for each in (chain, *texts))
    ):
        raise ValueError("a value of another kind")
    return Anchor(rows, entries, chain, *texts)
