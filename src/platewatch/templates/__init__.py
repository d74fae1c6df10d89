"""The one template environment: HTML escapes every text, a name that is missing is an error.

Markdown is not escaped: the model card passes every name that comes from outside through its own filter `code`.
"""

from collections.abc import Callable, Mapping
from importlib import metadata

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape


def environment(
    package: str = "platewatch", *, filters: Mapping[str, Callable[..., object]] | None = None
) -> Environment:
    """The templates in the folder `templates` of a package, then those that are here; each knows `version`."""
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
