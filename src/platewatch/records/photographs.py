"""Store of photographs: files named by their SHA-256, written atomically, in folders of two levels."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from platewatch import files
from platewatch.errors import RecordError, RecordUnavailable


class Photographs:
    """A folder of photographs; may be shared by threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Use `folder` and make it if it is missing; raises RecordError when that fails."""
        self.folder = folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            close_to_others(folder)
        except OSError as error:
            raise RecordError(folder, f"cannot be made ({error.strerror})", remedy="choose another folder") from error

    def path(self, sha256: str) -> Path:
        """The path of the photograph with this hash, whether it exists or not."""
        return self.folder / sha256[:2] / sha256[2:4] / sha256

    def store(self, data: bytes, sha256: str) -> None:
        """Write the bytes with this SHA-256 durably (fsync), unless they are stored already.

        Raises RecordUnavailable when they cannot be written.
        """
        path = self.path(sha256)
        if not _is_there(path, len(data)):
            remedy = "free some space and try again"
            files.write(path, data, private=True, within=self.folder, remedy=remedy, error=RecordUnavailable)

    def read(self, sha256: str) -> bytes | None:
        """The photograph's bytes, or None when it is missing; raises RecordError when they were altered."""
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordUnavailable(
                path, f"cannot be read ({error.strerror})", remedy="check its permissions"
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RecordError(path, "altered since it was stored (SHA-256 differs)", remedy="restore it from a copy")
        return data

    def files(self) -> Iterator[Path]:
        """Every photograph in the folder, also those that no row lists."""
        return (path for path in self.folder.glob("??/??/*") if len(path.name) == 64)

    def remove(self, sha256: str) -> None:
        """Remove the photograph if it exists; raises OSError as the file system does."""
        self.path(sha256).unlink(missing_ok=True)


def close_to_others(path: Path) -> None:
    """Take every right from group and others where others have one, as earlier versions left it.

    A file that others cannot read but a group can was meant so. Somebody else's file stays as it is.
    """
    mode = path.stat().st_mode
    if mode & 0o007:
        with suppress(PermissionError):
            path.chmod(mode & 0o7700)


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:  # writing reports the reason
        return False
