"""The address under which people reach a station behind a proxy: scheme, host and path prefix."""

import re
from dataclasses import dataclass

from platewatch.errors import InputError

_URL = re.compile(
    r"(https?)://((?:[a-z0-9-]+\.)*[a-z0-9-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?((?:/[a-z0-9._~-]+)*)/?", re.I
)
_USUAL_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class PublicUrl:
    """The parts of a public address."""

    scheme: str
    host: str
    """Lower case, without the port."""
    origin: str
    """As browsers send it in Origin: scheme, host, and the port when it is not the usual one."""
    prefix: str
    """Path before every address of the station, such as `/line3`; empty when there is none."""

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by https."""
        return self.scheme == "https"


def parse(text: str) -> PublicUrl:
    """The parts of a URL such as `https://plates.example/line3`; raises InputError."""
    found = _URL.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"--public-url {text}",
            "no address of a station",
            expected="such as https://plates.example or https://plates.example/line3",
            remedy="correct it",
        )
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    shown = "" if port is None or port == _USUAL_PORTS[scheme] else f":{port}"
    return PublicUrl(scheme, host, f"{scheme}://{host}{shown}", found[4])


LOCAL = PublicUrl("http", "", "", "")
"""Value for a station without a public address."""
