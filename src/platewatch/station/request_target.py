"""The target of a request in absolute form, as clients send it to a proxy: `GET http://host:port/path HTTP/1.1`."""

import re

from starlette.types import Scope

_ABSOLUTE = re.compile(rb"(https?)://([^/%]+)(/.*)?", re.IGNORECASE | re.DOTALL)


def origin_form(scope: Scope) -> Scope:
    """The request with its path alone; its authority replaces the Host header, its scheme that of the connection.

    Source: RFC 9112, 3.2.2. A request in another form is returned as it is.
    """
    found = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if found is None:
        return scope
    scheme, authority, raw_path = found[1].decode().lower(), found[2], found[3] or b"/"
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {
        **scope,
        "scheme": scheme,
        "path": scope["path"][found.start(3) :] if found[3] else "/",  # nothing before it is percent-encoded
        "raw_path": raw_path,
        "headers": [(b"host", authority), *headers],
    }
