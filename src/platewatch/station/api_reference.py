"""GET /docs: the API reference, rendered from the OpenAPI description; it loads nothing from other servers."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from platewatch.station.rest import Viewer, root, routes
from platewatch.templates import environment

router = routes()

_PAGES = environment("platewatch.station")


@router.get("/docs", include_in_schema=False)
def docs(request: Request, _: Viewer) -> Response:
    """Every address with its parameters and responses."""
    description: dict[str, Any] = request.app.openapi()
    page = _PAGES.get_template("docs.html").render(
        root=root(request),
        info=description["info"],
        operations=[
            (method, path, operation)
            for path, methods in description["paths"].items()
            for method, operation in methods.items()
        ],
        schemas=description["components"]["schemas"],
        kind=_kind,
    )
    return HTMLResponse(page)


def _kind(schema: dict[str, Any]) -> str:
    """A short name for the type that a JSON schema describes."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(each) for each in schema[several])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    return str(schema.get("format") or schema.get("type", "anything"))
