"""Jinja environment of all HTML and Markdown templates: text is escaped in HTML, an undefined name is an error.

Markdown is not escaped: the model card's filter `code` makes file names harmless there.
"""

from collections.abc import Callable, Mapping
from importlib import metadata

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape


def environment(
    package: str = "platewatch", *, filters: Mapping[str, Callable[..., object]] | None = None
) -> Environment:
    """The environment of a package's folder `templates`, then of this one; `version` is defined in every template."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(each) for each in dict.fromkeys((package, "platewatch"))]),
        autoescape=select_autoescape(enabled_extensions=("html",), disabled_extensions=("md",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["version"] = metadata.version("platewatch")
    made.filters |= filters or {}
    return made
