"""What a record of many plates costs: each question asked of it and of an almost empty one; the same answers, how long.

python benchmarks/records.py --rows 200000 --out records.json
python benchmarks/records.py --rows 200000 --records postgresql://user@127.0.0.1/empty_database ...

The large record is filled in bulk, its chain whole (the audit's time and word are among the figures). The small one has
4,000 plates, so that a question that fills a page of 50 entries in the one fills it in the other.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from platewatch.records import Judgement, Outcome, Page, Query, Records
from record_rows import fill
from runs import markdown, write_json

SMALL = 4000


def questions(records: Records) -> dict[str, Callable[[], object]]:
    """Everything that a page or a gateway asks, by what it asks for."""
    newest = records.find(Query(limit=1)).entries[0]
    oldest, middle = records.get(1).received, records.get(records.head().entries // 2)
    start, end = middle.received - timedelta(hours=4, minutes=20), middle.received + timedelta(hours=4)
    deep = records.find(Query(until=oldest + timedelta(minutes=5))).next
    asked: dict[str, Query] = {
        "newest": Query(),
        "oldest page": Query(before=deep),
        "eight hours in the middle": Query(since=start, until=end),
        "PASS": Query(outcome=Outcome.PASS),
        "REJECT": Query(outcome=Outcome.REJECT),
        "FAILED": Query(outcome=Outcome.FAILED),
        "plate id": Query(plate_id=middle.plate_id),
        "model, the first": Query(model_id="model-0"),
        "model, the last": Query(model_id="model-2"),
        "reviewer, often": Query(reviewer="anna"),
        "reviewer, once": Query(reviewer="zoe"),
        "called defective": Query(judgement=Judgement.DEFECTIVE),
        "reviewed": Query(reviewed=True),
        "not reviewed": Query(reviewed=False),
        "a rare word": Query(text=str(middle.plate_id)),
        "a word of all": Query(text="cam"),
        "a word of half, and a rare one": Query(text=f"cam1 {middle.plate_id}"),
        "a word in notes": Query(text="dust"),
        "a word of none": Query(text="nothing"),
        "REJECT of the first model": Query(outcome=Outcome.REJECT, model_id="model-0"),
        "REJECT in eight hours": Query(outcome=Outcome.REJECT, since=start, until=end),
        "anna's defective ones": Query(reviewer="anna", judgement=Judgement.DEFECTIVE),
    }
    found: dict[str, Callable[[], object]] = {
        f"find: {name}": lambda query=query: records.find(query)  # type: ignore[misc]
        for name, query in asked.items()
    }
    return found | {
        "queue": lambda: records.queue(50),
        "get": lambda: records.get(middle.number),
        "reviews of a plate": lambda: records.reviews(middle.number),
        "counts of all": records.counts,
        "counts of eight hours": lambda: records.counts(start, end),
        "counts of today": lambda: records.counts(newest.received - timedelta(hours=13, minutes=17)),
        "events": records.events,
        "models": records.model_ids,
        "reviewers": records.reviewers,
        "head": records.head,
    }


def times_ms(ask: Callable[[], object], repeats: int) -> list[float]:
    ask()  # once to warm up
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        ask()
        taken.append(1e3 * (time.perf_counter() - started))
    return taken


def writes(records: Records, repeats: int) -> dict[str, list[float]]:
    """Adding and reviewing, which change the record: last."""
    inspection = records.get(1).inspection
    photograph = bytes(range(256)) * 1000
    added = iter(range(repeats + 1))
    number = records.head().entries
    return {
        "add, with a photograph of 256 kB": times_ms(
            lambda: records.add(inspection, photograph + str(next(added)).encode(), key=str(time.time_ns())), repeats
        ),
        "review": times_ms(lambda: records.review(number, Judgement.GOOD, "anna"), repeats),
    }


def measure(records: Records, repeats: int) -> dict[str, list[float]]:
    found = {name: times_ms(ask, repeats) for name, ask in questions(records).items()}
    return found | writes(records, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--records", help="an empty PostgreSQL database for the large record; else SQLite, thrown away")
    parser.add_argument("--small", help="another one for the small record")
    parser.add_argument("--out", type=Path, help="the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        urls = asked.small or f"{folder}/small.db", asked.records or f"{folder}/large.db"
        with Records.open(urls[0], Path(folder) / "small") as small, Records.open(urls[1], Path(folder) / "l") as large:
            figures = compare(small, large, asked.rows, asked.repeats)
            figures["database"] = "PostgreSQL" if asked.records else "SQLite"
            if not asked.records:
                figures["megabytes"] = sum(path.stat().st_size for path in Path(folder).glob("large.db*")) / 1e6
    if asked.out:
        write_json(asked.out, figures)
    sys.stdout.write(json.dumps({name: figures[name] for name in figures if name != "questions"}) + "\n\n")
    head = ("question", "plates", f"{SMALL} plates, ms", f"{asked.rows} plates, ms", "slowest, ms", "ratio")
    rows = [
        (name, str(each["plates"]), *(f"{each[key]:.2f}" for key in ("small_ms", "large_ms", "slowest_ms", "ratio")))
        for name, each in figures["questions"].items()
    ]
    sys.stdout.write(markdown(head, rows) + "\n")


def compare(small: Records, large: Records, rows: int, repeats: int) -> dict[str, Any]:
    started = time.perf_counter()
    fill(small, SMALL)
    fill(large, rows)
    filled = time.perf_counter()
    audit = large.audit()
    audited = time.perf_counter()
    answers = {name: ask() for name, ask in questions(large).items()}
    before, after = measure(small, repeats), measure(large, repeats)
    medians = {name: (statistics.median(before[name]), statistics.median(after[name])) for name in after}
    return {
        "rows": audit.rows,
        "whole": audit.whole and large.audit(photographs=False).whole,
        "fill_s": filled - started,
        "audit_s": audited - filled,
        "rejects": large.counts().reject,
        "questions": {
            name: {
                "plates": _plates(answers.get(name)),
                "small_ms": pair[0],
                "large_ms": pair[1],
                "slowest_ms": max(after[name]),
                "ratio": pair[1] / pair[0],
            }
            for name, pair in medians.items()
        },
    }


def _plates(answer: object) -> int:
    return len(answer.entries) if isinstance(answer, Page) else 0


if __name__ == "__main__":
    main()
