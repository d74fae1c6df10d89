"""Time of each query on a record of many plates and on a small record, measured in turn.

    run.py records --rows 200000
    run.py records --rows 200000 --large postgresql://user@127.0.0.1/large --small postgresql://user@127.0.0.1/small

Both records are filled with the calls that a station makes; the clock advances two seconds per plate. --large and
--small name empty PostgreSQL databases; without them temporary SQLite files are used. The small record has 4,000
plates, so that a query that fills a page of 50 entries in the large one fills it in the small one too.
"""

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.harness import Found, Table, say
from benchmarks.timing import in_turn, timed
from platewatch.inspection import Defect, Evidence, Inspection, Verdict
from platewatch.records import Judgement, Outcome, Page, Query, Records, appending, events, reviewing

SMALL = 4000
SCORES = {Outcome.PASS: 0.7, Outcome.REVIEW: 1.1, Outcome.REJECT: 1.9}
DEFECT = Defect((120, 80, 40, 12), 310, 42.0, 1.8, Evidence(colour=0.3, line=0.7))
COLUMNS = {"question": "{question}", "plates": "{plates}", f"{SMALL} plates, ms": "{small:.2f}"}
COLUMNS |= {"all plates, ms": "{large:.2f}", "slowest, ms": "{slowest:.2f}", "ratio": "{ratio:.2f}"}


def measure(*, rows: int = 200_000, repeats: int = 30, large: str = "", small: str = "") -> Found:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls = {"small": small or f"{folder}/small.db", "large": large or f"{folder}/large.db"}
        few, many = (stack.enter_context(Records.open(url, Path(folder) / name)) for name, url in urls.items())
        fill(few, SMALL)
        fill_s, audit_s = (timed(work, time.perf_counter)() for work in (partial(fill, many, rows), many.audit))
        size = sum(path.stat().st_size for path in Path(folder).glob("large.db*"))
        found = compare(few, many, repeats)
        audit = many.audit(photographs=False)
    figures = {"fill_s": fill_s, "audit_s": audit_s, "chain_rows": audit.rows, "megabytes": size / 1e6}
    return Found(
        figures, {"": Table.of(COLUMNS, found)}, found, wrong=[] if audit.intact else ["the chain is not intact"]
    )


def fill(records: Records, count: int, seed: int = 0) -> None:
    """Add `count` plates of three models to an empty record, with logins and with reviews of most waiting plates."""
    apart, chance = timedelta(seconds=2), random.Random(seed)  # noqa: S311 - plates, no secrets
    now, reviewer = datetime.now(UTC) - count * apart, "zoe"  # she reviews once, then the others
    with ExitStack() as stack:
        for module in (appending, reviewing, events):
            stack.enter_context(patch.object(module, "datetime", wraps=datetime)).now = lambda _zone: now
        for number in range(1, count + 1):
            now += apart
            outcome = chance.choices(list(Outcome), (93, 4, 2.5, 0.5))[0]
            plate = inspection(number, outcome, f"model-{3 * (number - 1) // count}", chance, now)
            records.add(plate, plate_id=f"P{number:07}", key=f"key-{number}", source="watch")
            if outcome in {Outcome.REVIEW, Outcome.REJECT} and chance.random() < 0.8:
                judgement = chance.choices(list(Judgement), (40, 50, 5, 5))[0]
                records.review(number, judgement, reviewer, note="dust on the lens" * (chance.random() < 0.05))
                reviewer = chance.choice(["anna", "bob", "carl"])
            if number % 2000 == 0:
                records.event("login", "anna")
                say(f"{number} of {count} plates added")


def inspection(number: int, outcome: Outcome, model: str, chance: random.Random, now: datetime) -> Inspection:
    score = SCORES[outcome] * chance.uniform(0.9, 1.1) if outcome in SCORES else None
    return Inspection(
        image=f"line-1/cam{number % 2}_{number:07}.png",
        image_sha256=f"{chance.getrandbits(256):064x}",
        verdict=None if score is None else Verdict(outcome),
        reason="as the good plates look",
        score=score,
        threshold=1.25,
        defects=(DEFECT,) if outcome in {Outcome.REVIEW, Outcome.REJECT} else (),
        error="damaged photograph" if score is None else None,
        model_id=model,
        time=now,
        duration_ms=20.0,
    )


def compare(small: Records, large: Records, repeats: int) -> list[dict[str, Any]]:
    """For each query: number of plates found, median ms on both records, the slowest, and the ratio."""
    found: list[dict[str, Any]] = []
    for (question, few), many in zip(questions(small).items(), questions(large).values(), strict=True):
        answer = many()
        taken = in_turn({"few": timed(few, time.perf_counter), "many": timed(many, time.perf_counter)}, repeats)
        small_ms, large_ms = (1e3 * median(each) for each in taken.values())
        found.append({"question": question, "plates": len(answer.entries) if isinstance(answer, Page) else 0})
        found[-1] |= {
            "small": small_ms,
            "large": large_ms,
            "slowest": 1e3 * max(taken["many"]),
            "ratio": large_ms / small_ms,
        }
    return found


def questions(records: Records) -> dict[str, Callable[[], object]]:
    """All queries of pages and gateways, by name; those that change the record come last."""
    newest = records.find(Query(limit=1)).entries[0]
    oldest, middle = records.get(1), records.get(records.head().entries // 2)
    start, end = middle.received - timedelta(hours=4, minutes=20), middle.received + timedelta(hours=4)
    deep = records.find(Query(until=oldest.received + timedelta(minutes=5))).next
    asked: dict[str, Query] = {
        "newest": Query(),
        "oldest page": Query(before=deep),
        "eight hours in the middle": Query(since=start, until=end),
        "PASS": Query(outcome=Outcome.PASS),
        "REJECT": Query(outcome=Outcome.REJECT),
        "FAILED": Query(outcome=Outcome.FAILED),
        "plate id": Query(plate_id=middle.plate_id),
        "model": Query(model_id="model-0"),
        "reviewer, often": Query(reviewer="anna"),
        "reviewer, once": Query(reviewer="zoe"),
        "called defective": Query(judgement=Judgement.DEFECTIVE),
        "reviewed": Query(reviewed=True),
        "not reviewed": Query(reviewed=False),
        "a rare word": Query(text=str(middle.plate_id)),
        "a word of all": Query(text="cam"),
        "a word of half, and a rare one": Query(text=f"cam{middle.number % 2} {middle.plate_id}"),
        "a word in notes": Query(text="dust"),
        "a word of none": Query(text="nothing"),
        "REJECT of the first model": Query(outcome=Outcome.REJECT, model_id="model-0"),
        "REJECT in eight hours": Query(outcome=Outcome.REJECT, since=start, until=end),
        "anna's defective ones": Query(reviewer="anna", judgement=Judgement.DEFECTIVE),
    }

    def add() -> None:
        key = str(time.time_ns())
        records.add(oldest.inspection, bytes(range(256)) * 1000 + key.encode(), key=key)

    return {f"find: {name}": partial(records.find, query) for name, query in asked.items()} | {
        "queue": partial(records.queue, 50),
        "get": partial(records.get, middle.number),
        "reviews of a plate": partial(records.reviews, middle.number),
        "counts of all": records.counts,
        "counts of eight hours": partial(records.counts, start, end),
        "counts of today": partial(records.counts, newest.received - timedelta(hours=13, minutes=17)),
        "events": records.events,
        "models": records.model_ids,
        "reviewers": records.reviewers,
        "head": records.head,
        "add, with a photograph of 256 kB": add,
        "review": partial(records.review, newest.number, Judgement.GOOD, "anna"),
    }
