"""How soon a station answers again after SIGKILL, while clients post photographs.

    python benchmarks/killed.py MODEL PHOTOS... --kills 30 --out runs/killed

The process that serves is killed at random moments. Timed from then: until GET /healthz is answered, and until one more
plate is judged and in the record. A table in Markdown and one JSON.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import runs
from load import Client, gather
from served import Served


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    (folder / "photos").mkdir()
    photographs = gather(asked.photos, folder / "photos")
    rng = random.Random(0)  # noqa: S311 - moments, no secrets
    found: dict[str, Any] = {"clients": asked.clients, "healthz_s": [], "plate_s": []}
    with Served(asked.model, folder) as served:
        clients = [Client(served, f"client-{number}", photographs, float("inf")) for number in range(asked.clients)]
        for client in clients:
            client.start()
        for kill in range(asked.kills):
            time.sleep(rng.uniform(0.5, 2))
            served.kill()
            began = time.monotonic()
            until_answered(served, "GET", "/healthz")
            found["healthz_s"].append(time.monotonic() - began)
            until_answered(served, "POST", "/inspections", photographs[0] + str(kill).encode())
            found["plate_s"].append(time.monotonic() - began)
        for client in clients:
            client.stop()
        found["acknowledged"] = sum(len(client.numbers) for client in clients) + asked.kills
        found["received"] = served.ask("GET", "/counts")[1]["received"]
    found["audit"] = json.loads(runs.command("audit", "--records", served.records, "--json"))
    return found


def until_answered(served: Served, *request: Any) -> None:
    """Ask until an answer comes: a connection that the killed process had taken over is broken."""
    while True:
        try:
            if served.ask(*request)[0] < 400:
                return
        except (OSError, ValueError):
            time.sleep(0.001)


def table(found: dict[str, Any]) -> str:
    """A row for each of both times, and a sentence."""
    names = {"healthz_s": "`GET /healthz` answered", "plate_s": "a plate judged and in the record"}
    rows = [[name, f"{median(found[key]):.2f}", f"{max(found[key]):.2f}"] for key, name in names.items()]
    said = (
        f"{len(found['plate_s'])} kills, {found['clients']} clients: {found['acknowledged']} plates acknowledged, "
        f"{found['received']} in the record; audit: {'whole' if found['audit']['whole'] else 'NOT whole'}."
    )
    return f"{runs.markdown(['after SIGKILL', 'median, s', 'slowest, s'], rows)}\n\n{said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of photographs")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/killed"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked, Path(folder))
    runs.write_json(asked.out / "killed.json", found)
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
