"""The documents say what the program does. To renew docs/cli.md: python tests/test_docs.py."""

import re
import subprocess
from pathlib import Path

import click
from click.testing import CliRunner

from platewatch import cli

ROOT = Path(__file__).parents[1]
CLI = ROOT / "docs" / "cli.md"
_HELP = re.compile(r"```text\n\$ platewatch (?P<command>[a-z ]*)--help\n.*?```", re.DOTALL)


def help_block(command: str) -> str:
    """The help of one command ('' for all) as it stands in docs/cli.md."""
    result = CliRunner().invoke(cli.main, [*command.split(), "--help"], prog_name="platewatch", terminal_width=100)
    return f"```text\n$ platewatch {command}--help\n{result.output}```"


def renewed(text: str) -> str:
    return _HELP.sub(lambda found: help_block(found["command"]), text)


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


def test_the_readme_s_tree_names_every_file_of_the_package_and_every_benchmark() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    files = [
        path.name for folder in (ROOT / "src" / "platewatch", ROOT / "benchmarks") for path in folder.rglob("*.py")
    ]
    assert [name for name in files if not re.search(rf"^\s+{re.escape(name)}\s+\S", text, re.MULTILINE)] == []


def test_the_readme_s_commands_are_make_targets_and_known_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) <= set(targets)
    assert set(re.findall(r"^(?:\S*/)?platewatch ([a-z]+)", text, re.MULTILINE)) <= set(cli.main.commands)


def test_local_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
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
