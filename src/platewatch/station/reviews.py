"""What people say of plates: added, listed, taken back; a verdict stays what it was."""

from typing import Annotated

from fastapi import Path, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.records import Judgement, Review
from platewatch.station.live import Message
from platewatch.station.problem_details import Refusal
from platewatch.station.rest import STRICT, Number, Viewer, answer, routes, station
from platewatch.station.security import needs
from platewatch.station.state import said_of
from platewatch.station.users import Account, Right, Role

router = routes()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NewReview:
    """What a person says of a plate; the verdict stays what it was."""

    judgement: Judgement
    boxes: Annotated[tuple[tuple[int, int, int, int], ...], Field(max_length=50)] = ()
    """Defects: left, top, width, height in px of the photograph."""
    note: Annotated[str, Field(max_length=2000)] = ""


@router.get("/inspections/{number}/reviews", response_model=tuple[Review, ...])
def reviews(request: Request, _: Viewer, number: Number) -> Response:
    """Everything that was said of a plate, oldest first."""
    return answer([said_of(each) for each in station(request).records.reviews(number)])


@router.post("/inspections/{number}/reviews", status_code=201, response_model=Review)
def review(
    request: Request, account: Annotated[Account, needs(Right.REVIEW)], number: Number, said: NewReview
) -> Response:
    """Say what a plate is."""
    here = station(request)
    made = here.records.review(number, said.judgement, account.name, boxes=said.boxes, note=said.note)
    here.live.publish(Message("review", said_of(made)))
    return answer(said_of(made), 201)


@router.delete("/inspections/{number}/reviews/{review_id}", response_model=Review)
def undo(
    request: Request,
    account: Annotated[Account, needs(Right.REVIEW)],
    number: Number,
    review_id: Annotated[int, Path(ge=1, lt=2**53)],
) -> Response:
    """Take a review back: a further row says so, and nothing is removed. An operator takes back their own."""
    here = station(request)
    known = {each.id: each for each in here.records.reviews(number)}
    if review_id not in known:
        raise Refusal(404, "not_found", "no such review", expected="one of this plate's", next="list its reviews")
    if account.role is not Role.ENGINEER and known[review_id].reviewer != account.name:
        raise Refusal(403, "not_allowed", "somebody else's review", expected="your own", next="ask an engineer")
    made = here.records.undo(review_id, account.name)
    here.live.publish(Message("review", said_of(made)))
    return answer(said_of(made))
