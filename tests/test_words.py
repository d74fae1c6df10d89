"""Forbidden words: private terms of earlier versions are in no code, help or document, except in allowed places."""

import re
import subprocess
from pathlib import Path

from test_docs import commands, help_block

ROOT = Path(__file__).parents[1]
FORBIDDEN = (
    *("leader", "follower", "heir", "orphan", "stand_in", "yardstick", "happenings", "burnt", "judgeable", "forge"),
    *(
        "forged",
        "lamp",
        "relit",
        "tallies",
        "courier",
        "shelf",
        "shelved",
        "fared",
        "doubled",
        "brush",
        "coats",
        "mend",
    ),
)
"""As a whole word, or as a part of an identifier or of a file's name: `is_judgeable`, `MendCoats`."""
EXEMPT = ("CHANGELOG.md", "docs/log.md", "tests/test_words.py")
"""History, and the list of words itself."""
_OLD_SETTING = "a setting's name in 0.1.0, which is still read"
_OLD_KEY = "a key of the manifest in 0.1.0, which is still read"
_NOT_ON_PAGES = "listed there as a word that no page shows"
ALLOWED = {
    ("src/platewatch/config.py", "forge"): _OLD_SETTING,
    ("src/platewatch/config.py", "forged"): _OLD_SETTING,
    ("src/platewatch/config.py", "relit"): _OLD_SETTING,
    ("src/platewatch/model/model_folder.py", "burnt"): _OLD_KEY,
    ("tests/test_model_folder.py", "burnt"): _OLD_KEY,
    ("tests/test_model_folder.py", "forge"): _OLD_SETTING,
    ("tests/test_model_folder.py", "forged"): _OLD_SETTING,
    ("tests/test_model_folder.py", "relit"): _OLD_SETTING,
    ("src/platewatch/records/migrations/versions/v0001_chain.py", "tallies"): "a table's name before migration 0003",
    ("src/platewatch/records/migrations/versions/v0003_hourly_counts.py", "tallies"): "the table that it renames",
    ("src/platewatch/evaluation/bench.py", "judgeable"): "a JSON key of `platewatch bench`",
    ("src/platewatch/schemas/bench.json", "judgeable"): "a JSON key of `platewatch bench`",
    ("src/platewatch/station/security.py", "forged"): "an error code of the REST interface",
    ("docs/rest.md", "forged"): "an error code of the REST interface",
    ("tests/test_station_security.py", "forged"): "an error code of the REST interface",
    ("tests/test_pages.py", "fared"): _NOT_ON_PAGES,
    ("tests/test_pages.py", "forged"): _NOT_ON_PAGES,
    ("tests/test_pages.py", "lamp"): _NOT_ON_PAGES,
    ("tests/test_pages.py", "shelf"): _NOT_ON_PAGES,
}
"""File and word of every allowed place, with the reason."""
OTHER_NAMES = re.compile(
    r"\bunreadable (photograph|plate|one)s?\b|\bphotographs? (that )?(could not|can ?not) be read\b", re.IGNORECASE
)
"""Other names of the state *Not readable*."""
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(FORBIDDEN)})(?![a-z0-9])".replace("_", "[_-]"))


def forbidden(text: str) -> set[str]:
    """The forbidden words of a text; parts of snake_case and CamelCase names count as words."""
    return {found[1].replace("-", "_") for found in _WORD.finditer(_CAPITALS.sub("_", text).lower())}


def files() -> list[str]:
    """Every file of the repository, tracked or new, by its path from the root; ignored ones are left out."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    named = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in named if name not in EXEMPT and (ROOT / name).is_file()]


def text_of(name: str) -> str:
    """The path and the content of a file; of pictures and weights the path alone."""
    content = (ROOT / name).read_bytes()
    return name if b"\0" in content else f"{name}\n{content.decode()}"


def test_forbidden_words_are_only_in_allowed_places() -> None:
    found = {(name, word) for name in files() for word in forbidden(text_of(name))}
    unexpected, unneeded = sorted(found - ALLOWED.keys()), sorted(ALLOWED.keys() - found)
    assert not unexpected, f"reword: {unexpected}"
    assert not unneeded, f"no longer found, remove from ALLOWED: {unneeded}"


def test_a_photograph_without_a_verdict_has_one_name() -> None:
    told = [name for name in files() if name.startswith(("src/", "docs/", "README")) and name not in EXEMPT]
    found = {name: each[0] for name in told if (each := OTHER_NAMES.search(" ".join(text_of(name).split())))}
    assert not found, "call it not readable"


def test_help_uses_no_forbidden_word() -> None:
    for name in ("", *commands()):
        assert forbidden(help_block(f"{name} " if name else "")) == set(), name


def test_words_are_found_in_sentences_and_in_names() -> None:
    given = "A leader, is_judgeable, MendCoats, w_forged, a stand-in and LAMP; not commend, standing in, x_forgery."
    assert forbidden(given) == {"leader", "judgeable", "mend", "coats", "forged", "stand_in", "lamp"}
