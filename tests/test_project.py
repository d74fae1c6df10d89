"""The project's metadata: version, changelog and licence agree, and the wheel carries them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import platewatch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert platewatch.__version__ == PROJECT["version"], "pyproject.toml changed; install the project again"


def test_importing_the_package_does_not_read_its_metadata() -> None:
    source = str(Path(platewatch.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {source!r}); import platewatch; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_the_changelog_begins_with_the_version_and_its_date() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.fullmatch(re.escape(PROJECT["version"]) + r" - \d{4}-\d\d-\d\d", headings[0])


def test_the_licence_is_the_whole_of_apache_2() -> None:
    text = (ROOT / PROJECT["license-files"][0]).read_text(encoding="utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply the Apache License to your work." in text
