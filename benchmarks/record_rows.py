"""Fills a record with very many plates at once, its chain whole: as a line of two seconds a plate would have."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from platewatch.inspection import Defect, Evidence, Inspection, Verdict
from platewatch.records import Judgement, Outcome, Records, chain, schema, search, search_index
from platewatch.records.hourly_counts import HOUR

_TABLES = ("chain", "entries", "reviews", "events", "terms")
_BATCH = 5000
_APART = timedelta(seconds=2)
_MODELS = 3
_DEFECT = Defect((120, 80, 40, 12), 310, 42.0, 1.8, Evidence(colour=0.3, line=0.7))


@dataclass
class Rows:
    """What one batch inserts, by table."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in _TABLES})
    standing: list[dict[str, Any]] = field(default_factory=list)


class _Line:
    """The chain as it grows."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.chance = count, random.Random(seed)  # noqa: S311 - plates, no secrets
        self.position, self.hash, self.number = 0, chain.START, 0
        self.reviewed = False
        self.hourly_counts = Counter[tuple[int, str]]()
        self.start = datetime.now(UTC) - count * _APART

    def batch(self, size: int) -> Rows:
        rows = Rows()
        for _ in range(size):
            self._plate(rows)
        return rows

    def _append(self, rows: Rows, kind: str, body: dict[str, Any]) -> int:
        self.position += 1
        text = chain.canonical({**body, "kind": kind, "position": self.position})
        digest = chain.digest(self.hash, text)
        row = {"position": self.position, "kind": kind, "previous": self.hash, "hash": digest, "body": text}
        rows.tables["chain"].append(row)
        self.hash = digest
        return self.position

    def _plate(self, rows: Rows) -> None:
        self.number += 1
        time = self.start + self.number * _APART
        outcome = self.chance.choices(list(Outcome), (93, 4, 2.5, 0.5))[0]
        model = f"model-{(self.number - 1) * _MODELS // self.count}"
        found = _inspection(self.number, outcome, model, time, self.chance)
        sampled = outcome is Outcome.PASS and self.chance.random() < 0.02
        body: dict[str, Any] = {
            "number": self.number,
            "received": time.isoformat(),
            "plate_id": f"P{self.number:07}",
            "key": f"key-{self.number}",
            "source": "watch",
            "photograph": None,
            "stored": False,
            "sampled": sampled,
            "inspection": found.as_dict(),
        }
        received = search.microseconds(time)
        position = self._append(rows, chain.INSPECTION, body)
        words = search_index.of_plate(body["plate_id"], found.image)
        waits = sampled or outcome in (Outcome.REVIEW, Outcome.REJECT)
        entry = {name: body[name] for name in ("number", "plate_id", "key", "photograph", "sampled")} | {
            "position": position,
            "received": received,
            "outcome": outcome,
            "model_id": model,
            "waiting": waits,
        }
        rows.tables["entries"].append(entry)
        self.hourly_counts[received // HOUR, outcome] += 1
        if waits and self.chance.random() < 0.8:
            words |= self._review(rows, entry, time)
        rows.tables["terms"] += [
            {"kind": kind, "word": word, "received": received, "number": self.number} for kind, word in words
        ]
        if self.number % 2000 == 0:
            happened = {"event": "login", "actor": "anna", "time": time.isoformat(), "details": {}}
            position = self._append(rows, chain.EVENT, happened)
            rows.tables["events"].append({"position": position, "kind": "login", "time": received})

    def _review(self, rows: Rows, entry: dict[str, Any], time: datetime) -> set[search_index.Term]:
        """What the plate is found by as well."""
        reviewer = self.chance.choice(["anna", "bob", "carl"]) if self.reviewed else "zoe"
        self.reviewed = True
        judgement = self.chance.choices(list(Judgement), (40, 55, 5))[0]
        note = "dust on the lens" if self.chance.random() < 0.05 else ""
        said = {"number": entry["number"], "judgement": judgement, "reviewer": reviewer, "time": time.isoformat()}
        position = self._append(rows, chain.REVIEW, {**said, "boxes": [], "note": note, "undoes": None})
        rows.tables["reviews"].append({"position": position, "number": entry["number"], "undoes": None})
        rows.standing.append({"number": entry["number"], "review": position, "judgement": judgement, "waiting": False})
        return search_index.of_review(reviewer, note)


def fill(records: Records, count: int, seed: int = 0) -> None:
    """Write so many plates into an empty record."""
    line = _Line(count, seed)
    for size in _batches(count):
        rows = line.batch(size)
        with records._database.writing() as connection:
            for name in _TABLES:
                if rows.tables[name]:
                    connection.execute(insert(schema.metadata.tables[name]), rows.tables[name])
            for each in rows.standing:
                values = {name: each[name] for name in ("review", "judgement", "waiting")}
                changed = update(schema.entries).where(schema.entries.c.number == each["number"])
                connection.execute(changed.values(values))
            head = {"position": line.position, "hash": line.hash, "entries": line.number}
            connection.execute(update(schema.head).values(head))
    with records._database.writing() as connection:
        hourly_counts = [
            {"hour": hour, "outcome": outcome, "count": count} for (hour, outcome), count in line.hourly_counts.items()
        ]
        connection.execute(insert(schema.hourly_counts), hourly_counts)


def _batches(count: int) -> Iterator[int]:
    for start in itertools.count(0, _BATCH):
        if start >= count:
            return
        yield min(_BATCH, count - start)


def _inspection(number: int, outcome: Outcome, model: str, time: datetime, chance: random.Random) -> Inspection:
    failed = outcome is Outcome.FAILED
    score = None if failed else {"PASS": 0.7, "REVIEW": 1.1, "REJECT": 1.9}[outcome] * chance.uniform(0.9, 1.1)
    return Inspection(
        image=f"line-1/cam{number % 2}_{number:07}.png",
        image_sha256=f"{chance.getrandbits(256):064x}",
        verdict=None if failed else Verdict(outcome),
        reason="could not be read" if failed else "as the good plates look" if outcome == "PASS" else "one place",
        score=score,
        threshold=1.25,
        p_value=None if failed else chance.random(),
        surface=score,
        reconstruction_error=None if failed else 0.004 * chance.random(),
        latent_error=None if failed else 0.02 * chance.random(),
        evidence=None if failed else Evidence(colour=0.4, line=0.6),
        defects=(_DEFECT,) if outcome in (Outcome.REVIEW, Outcome.REJECT) else (),
        error="damaged photograph" if failed else None,
        model_id=model,
        time=time,
        duration_ms=100 * chance.random(),
    )
