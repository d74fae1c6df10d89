"""The documents say what the program does. To renew docs/cli.md and the tree: python tests/test_docs.py."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from platewatch import cli

ROOT = Path(__file__).parents[1]
CLI = ROOT / "docs" / "cli.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
LINE = ROOT / "docs" / "line.md"
_MAP = re.compile(r"```text\n\$ platewatch plc map\n.*?```", re.DOTALL)
_HELP = re.compile(r"```text\n\$ platewatch (?P<command>[a-z -]*?)--help\n.*?```", re.DOTALL)


def help_block(command: str) -> str:
    """The help of one command ('' for all) as it stands in docs/cli.md."""
    result = CliRunner().invoke(cli.main, [*command.split(), "--help"], prog_name="platewatch", terminal_width=100)
    return f"```text\n$ platewatch {command}--help\n{result.output}```"


def renewed(text: str) -> str:
    return _HELP.sub(lambda found: help_block(found["command"]), text)


def with_map(text: str) -> str:
    """The text with the PLC's registers as the command prints them."""
    printed = CliRunner().invoke(cli.main, ["plc", "map"]).output
    return _MAP.sub(lambda _: f"```text\n$ platewatch plc map\n{printed}```", text)


def test_the_registers_are_documented_as_they_are() -> None:
    text = LINE.read_text(encoding="utf-8")
    assert _MAP.search(text)
    assert text == with_map(text), "docs/line.md is behind; run: python tests/test_docs.py"


def test_the_command_reference_shows_every_command_s_help_as_it_is() -> None:
    text = CLI.read_text(encoding="utf-8")
    shown = {found["command"].strip() for found in _HELP.finditer(text)}
    assert shown == {"", *commands()}
    assert text == renewed(text), "docs/cli.md is behind; run: python tests/test_docs.py"


def commands(group: click.Group = cli.main, before: str = "") -> dict[str, click.Command]:
    """Every command by its words, those of groups too."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[f"{before}{name}"] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{before}{name} ")
    return found


def test_every_command_and_option_has_help() -> None:
    for name, command in commands().items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or parameter.name == "seed", f"{name} {parameter.name}"


_TREE = re.compile(r"```text\nsrc/platewatch/\n.*?```", re.DOTALL)


def tree_block() -> str:
    """Every file of the package with the first sentence of its docstring."""
    return "```text\nsrc/platewatch/\n" + "".join(_tree(ROOT / "src" / "platewatch", "    ")) + "```"


def _tree(folder: Path, indent: str) -> Iterator[str]:
    for path in sorted(folder.iterdir(), key=lambda path: (path.name != "__init__.py", path.is_dir(), path.name)):
        if path.suffix == ".py":
            words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            yield f"{indent}{path.name:<26}{words.partition(chr(10))[0]}\n"
        elif (path / "__init__.py").exists():
            yield f"{indent}{path.name}/\n"
            yield from _tree(path, indent + "    ")


def with_tree(text: str) -> str:
    return _TREE.sub(lambda _: tree_block(), text)


def test_the_tree_shows_every_file_with_what_it_is_for() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert _TREE.search(text)
    assert text == with_tree(text), "ARCHITECTURE.md is behind; run: python tests/test_docs.py"
    assert [line for line in tree_block().splitlines() if line.endswith(".py")] == []  # a file without a word on it


def test_the_readme_s_commands_are_make_targets_and_known_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) <= set(targets)
    assert set(re.findall(r"^(?:\S*/)?platewatch ([a-z]+)", text, re.MULTILINE)) <= set(cli.main.commands)


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1600


def test_the_index_leads_to_every_document() -> None:
    links = set(re.findall(r"\]\(([^)#:]+)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    documents = {path.name for path in (ROOT / "docs").glob("*.md")} | {f"../{path.name}" for path in ROOT.glob("*.md")}
    assert documents - {"index.md"} <= links


def test_local_links_lead_somewhere() -> None:
    for document in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_nothing_tracked_names_a_place_on_some_machine() -> None:
    found = subprocess.run(
        ["git", "grep", "-nIE", r"(^|[^A-Za-z0-9_.])/(home|root|Users)/", "--", ":!tests/test_docs.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


if __name__ == "__main__":
    CLI.write_text(renewed(CLI.read_text(encoding="utf-8")), encoding="utf-8")
    ARCHITECTURE.write_text(with_tree(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8")
    LINE.write_text(with_map(LINE.read_text(encoding="utf-8")), encoding="utf-8")
