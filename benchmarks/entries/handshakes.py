"""Handshakes of a PLC with random disturbances, by Modbus TCP: is PASS shown for a part that is not recorded as PASS?

Disturbances: trigger while busy, repeated SEQ, PLC gone, station restarted, late judge, damaged photograph, no frame.
The inspector is the tests' fake. Time over judging: from the trigger to DONE as the PLC reads it, less the part's MS.
"""

import tempfile
from pathlib import Path

import numpy as np

import stations
from benchmarks.harness import Found, Table, say
from plcs import Camera, Plc, Station


def measure(*, count: int = 2000, seed: int = 0) -> Found:
    with tempfile.TemporaryDirectory() as folder, stations.running(Path(folder)) as here:
        station = Station(here.station.line, Camera())
        plc = Plc(station, here.records, seed)
        wrong = []
        try:
            for done in range(0, count, 100):
                plc.parts_with_disturbances(min(100, count - done))
                say(f"{done} of {count}")
        except AssertionError as error:
            wrong.append(f"handshake {len(plc.codes)}: {error}")
        finally:
            station.stop()
        counts = here.records.counts()
        if counts.received != counts.judged + counts.failed or not here.records.audit().intact:
            wrong.append("the record is not whole")
        rows = [[code.name, str(plc.codes.count(code))] for code in sorted(set(plc.codes))]
        median, p99 = np.percentile(plc.over_ms, (50, 99))
        figures: dict[str, float | str] = {
            "handshakes": len(plc.codes),
            "wrong_pass": len(wrong),
            "over_ms.median": f"{median:.1f}",
        }
        figures |= {"over_ms.p99": f"{p99:.1f}", "rows": counts.received}
        return Found(figures=figures, tables={"": Table(["CODE that the PLC read", "parts"], rows)}, wrong=wrong)
