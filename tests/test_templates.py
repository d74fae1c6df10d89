"""One environment for every template: escaped, strict, no template that cannot be parsed."""

import pytest
from jinja2 import TemplateSyntaxError, UndefinedError

from platewatch import __version__
from platewatch.templates import environment

PACKAGES = ("platewatch", "platewatch.station")


def test_html_is_escaped_markdown_is_not() -> None:
    made = environment(filters={"twice": lambda text: text * 2})
    assert made.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;", "a template without a name is HTML"
    for name, expected in (("base.html", True), ("model-card.md", False)):
        assert callable(made.autoescape)
        assert made.autoescape(name) is expected
    assert made.from_string("{{ 'a' | twice }} {{ version }}").render() == f"aa {__version__}"


def test_a_name_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'nothing' is undefined"):
        environment().from_string("{% if nothing %}{% endif %}").render()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_template_can_be_parsed_and_is_known(package: str) -> None:
    made = environment(package)
    names = [name for name in made.list_templates() if not name.endswith((".py", ".pyc"))]
    assert {name.rpartition(".")[2] for name in names} <= {"html", "md", "css"}
    assert len(names) >= 5
    for name in names:
        source = made.loader.get_source(made, name)[0] if made.loader else ""
        try:
            made.parse(source)
        except TemplateSyntaxError as error:  # parsing knows no custom filter; compiling a page is its own tests' work
            pytest.fail(f"{name}: {error}")
