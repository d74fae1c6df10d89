"""Messages of decoders: warnings of Pillow and messages of libtiff, collected for each photograph.

Otherwise libtiff writes them to stderr, without the photograph's name.
"""

import ctypes
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import PIL
from PIL import Image, _imaging

_MOST = 20  # messages kept for one file
_LENGTH = 200  # characters kept of a message
_WARNINGS = threading.Lock()  # Python's warning filters apply to the whole process
_HERE = threading.local()  # libtiff calls back in the thread that decodes


@contextmanager
def kept() -> Iterator[list[str]]:
    """Collect libtiff's messages in this thread while decoding; yields the list that they are added to."""
    said = list[str]()
    _HERE.said = said
    try:
        yield said
    finally:
        _HERE.said = None


@contextmanager
def pillow_warnings(said: list[str]) -> Iterator[None]:
    """Add Pillow's warnings to `said`; raises the one about too many pixels. One thread at a time."""
    with _WARNINGS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
        folder = str(Path(PIL.__file__).parent)
        for each in caught:
            if each.filename.startswith(folder):
                _add(said, str(each.message))
            else:  # from another thread that warned meanwhile
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def _add(said: list[str], message: str) -> None:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())[:_LENGTH]
    if line and line not in said and len(said) < _MOST:
        said.append(line)


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)  # TIFFErrorHandler of tiffio.h


def _on_message(module: bytes | None, form: bytes | None, arguments: int | None) -> None:
    said = getattr(_HERE, "said", None)
    if said is None:
        return
    text = ctypes.create_string_buffer(_LENGTH)
    _LIBC.vsnprintf(text, ctypes.c_size_t(_LENGTH), form or b"", ctypes.c_void_p(arguments))
    _add(said, f"{(module or b'libtiff').decode(errors='replace')}: {text.value.decode(errors='replace')}")


_LIBC = ctypes.CDLL(None)
_CALLBACK = _HANDLER(_on_message)  # kept for as long as libtiff may call it


def _listen_to_libtiff() -> None:
    """Replace the message handler of Pillow's libtiff, which prints, by ours."""
    library = ctypes.CDLL(_imaging.__file__)  # also finds symbols of the libraries that it is linked with
    for setter in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        function = getattr(library, setter, None)  # Pillow without libtiff reads no compressed TIFF
        if function is not None:
            function.restype = ctypes.c_void_p
            function.argtypes = [_HANDLER]
            function(_CALLBACK)


_listen_to_libtiff()
