"""Invariant 12: no library sends anything or writes outside of what was asked for; the home folder stays empty."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Tiny

COMMANDS = """
import sys
from pathlib import Path
from platewatch import cli
model, data, out = map(Path, sys.argv[1:])
photograph = next((data / "test" / "good").iterdir())
for words in (
    ["inspect", model, photograph, "--out", out / "overlays"],
    ["inspect", model, photograph, "--runtime", "openvino"],
    ["evaluate", model, data, "--out", out / "report"],
    ["verify", model],
):
    assert cli.main([str(each) for each in words], standalone_mode=False) in (None, 0, 3), words
print(sorted(name for name in sys.modules if name.startswith("openvino_telemetry.")))
"""
UNSET = {"ORT_DISABLE_TELEMETRY", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"}
TRACED = "openat,creat,mkdir,mkdirat,rename,renameat,renameat2,connect"
WRITES = re.compile(r'(?:open(?:at)?|creat|mkdir(?:at)?|rename\w*)\((?:AT_FDCWD, )?"([^"]+)"(.*)')


def works(*words: str) -> bool:
    """Whether this program is there and may do its work here."""
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0


def written(log: str) -> set[str]:
    """The paths that were made or opened for writing, by strace's log."""
    found = set()
    for path, rest in WRITES.findall(log):
        if "O_WRONLY" in rest or "O_RDWR" in rest or "O_" not in rest:
            found.add(path)
    return {path for path in found if not path.startswith(("/dev/", "/proc/"))}


def test_judging_sends_nothing_and_writes_only_what_was_asked_for(tiny_model: Tiny, tmp_path: Path) -> None:
    """Every library that judges, evaluates and draws, in a process of its own with an empty home folder."""
    home, temporary, out = (tmp_path / name for name in ("home", "temporary", "out"))
    for folder in (home, temporary, out):
        folder.mkdir()
    log = tmp_path / "strace"
    if works("strace", "-f", "-e", "trace=connect", "-o", os.devnull):
        before = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={TRACED}", "-o", str(log)]
    elif works("unshare", "-rn"):
        before = ["unshare", "-rn"]  # no network: whoever wants to send something fails or waits
    else:
        pytest.skip("neither strace nor a network namespace is possible here")
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [*before, sys.executable, "-c", COMMANDS, *map(str, (tiny_model.model, tiny_model.data, out))]
    done = subprocess.run(words, env=environment, cwd=temporary, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert [path for folder in (home, temporary) for path in folder.rglob("*")] == []
    if log.exists():
        lines = log.read_text(errors="replace")
        assert re.findall(r"connect\(.*AF_INET.*", lines) == []
        inside = (str(out), str(temporary))
        assert {path for path in written(lines) if not path.startswith(inside)} == set()


def test_training_writes_nothing_into_the_home_folder_and_connects_to_nobody(tiny_model: Tiny) -> None:
    """The tiny model was trained with an empty home folder and an empty folder for temporary files."""
    left = json.loads((tiny_model.model.parent / "left.json").read_text())
    assert left == {"files": [], "connections": []}


def test_the_fonts_list_of_matplotlib_is_not_kept(tmp_path: Path) -> None:
    """Of `train` and of the reports; here in a process that has not imported matplotlib before."""
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    code = "from platewatch.evaluation.figures import Figure\nFigure().savefig(__import__('io').BytesIO())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.rglob("*")) == []


def test_importing_the_package_switches_telemetry_off() -> None:
    code = "import os, platewatch; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['RAY_USAGE_STATS_ENABLED'])"
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "1 0\n"
