"""Plates a second of 1 and 4 writers on one PostgreSQL: stations here, against one chain of another version.

    run.py writers OTHER_SOURCE --seconds 4 --rounds 3

OTHER_SOURCE is another version's folder `src`. Each writer is a process; the server waits for its disk. All kinds take
turns, also with a network that holds back each packet by half of --network-ms.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import psycopg

import servers
from benchmarks.harness import Found, Table, say

WRITER = """
import sys, time; from plate_rows import plate; from platewatch.records import Records
url, writer, seconds, *station = sys.argv[1:]
with Records.open(url, **({"station": station[0]} if station else {})) as records:
    for count in range(8): records.add(plate(), deliver=["http://there/"])
    print(flush=True); sys.stdin.readline(); end, count = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        records.add(plate(), b"photograph", plate_id=f"P {count}", key=f"{writer} {count}", deliver=["http://there/"])
        count += 1
print(count)
"""
KINDS = {"chain, 1": ("other", 1), "chain, 4": ("other", 4), "stations, 1": ("this", 1), "stations, 4": ("this", 4)}


def measure(other_source: Path, *, seconds: float = 4, rounds: int = 3, network_ms: float = 1) -> Found:
    sources = {"other": other_source.absolute(), "this": Path(__file__).resolve().parents[2] / "src"}
    rates: dict[str, list[list[float]]] = {kind: [[], []] for kind in KINDS}
    with servers.postgresql() as server:
        with psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
            for statement in (b"ALTER SYSTEM SET fsync = on", b"SELECT pg_reload_conf()"):
                connection.execute(statement)
        places = server, servers.farther(server, network_ms / 2000)
        for number in range(rounds * len(KINDS) * 2):
            (kind, (version, writers)), far = list(KINDS.items())[number // 2 % len(KINDS)], number % 2
            url = f"{places[far]}/{servers.new_database(server, f'd{number}').rpartition('/')[2]}"
            rates[kind][far].append(added(url, sources[version], writers, seconds, named=version == "this") / seconds)
            say(f"{kind}, {far * network_ms:g} ms: {rates[kind][far][-1]:.0f} plates/s")
    near, far_off = (zip(rates["stations, 4"][far], rates["chain, 4"][far], strict=True) for far in (0, 1))
    figures = {"near": median(a / b for a, b in near), "far": median(a / b for a, b in far_off)}
    rows = [[kind, *(f"{median(each):.0f}" for each in both)] for kind, both in rates.items()]
    return Found(figures, {"": Table(["writers", "plates/s, no network", f"{network_ms:g} ms"], rows)}, rates)


def added(url: str, source: Path, writers: int, seconds: float, *, named: bool) -> int:
    """Plates that the writers add together within the time."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (source, Path(servers.__file__).parent)))}
    running, pipe = list[subprocess.Popen[str]](), subprocess.PIPE
    for each in range(writers):
        words = [sys.executable, "-c", WRITER, url, str(each), str(seconds), *([f"line {each}"] if named else [])]
        running.append(subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, text=True))
    return sum(servers.started_together(running))
