"""Reviews of plates by people: add, list, take back. A review never changes the verdict."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.records import Judgement, Review
from platewatch.records.values import Box
from platewatch.station.problem_details import RequestError
from platewatch.station.representation import review_as_dict
from platewatch.station.rest import STRICT, Number, Viewer, json_response, routes, station
from platewatch.station.security import needs
from platewatch.station.users import Account, Right, Role

router = routes()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NewReview:
    """A person's judgement of a plate; the verdict is not changed."""

    judgement: Judgement
    boxes: Annotated[tuple[tuple[int, int, int, int], ...], Field(max_length=50)] = ()
    """Defects that the person marked: left, top, width, height in px of the photograph."""
    note: Annotated[str, Field(max_length=2000)] = ""
    kind: Annotated[str, Field(max_length=40)] = ""
    """Kind of defect, with the judgement `defective`."""


@router.get("/inspections/{number}/reviews", response_model=tuple[Review, ...])
def reviews(request: Request, _: Viewer, number: Number) -> Response:
    """All reviews of a plate, oldest first."""
    return json_response([review_as_dict(each) for each in station(request).records.reviews(number)])


@router.post("/inspections/{number}/reviews", status_code=201, response_model=Review)
def review(
    request: Request, account: Annotated[Account, needs(Right.REVIEW)], number: Number, new: NewReview
) -> Response:
    """Add a review to a plate; its boxes lie inside the photograph, and `unusable` is for plates without a score."""
    here = station(request)
    if new.judgement is Judgement.UNUSABLE and here.records.get(number).inspection.score is not None:
        what, expected = f"unusable, but plate {number} has a score", "defective, good or unsure"
        raise RequestError(422, "invalid", what, expected=expected, next="choose one of them")
    if new.kind and new.judgement is not Judgement.DEFECTIVE:
        what = f"a kind of defect, but judged {new.judgement}"
        raise RequestError(422, "invalid", what, expected="defective with a kind", next="leave the kind out")
    if new.boxes:
        size = here.pictures.size(number)
        if size is not None:
            _check_boxes(new.boxes, *size)
    made = here.records.review(number, new.judgement, account.name, boxes=new.boxes, note=new.note, kind=new.kind)
    here.line.tail.wake()
    return json_response(review_as_dict(made), 201)


def _check_boxes(boxes: Sequence[Box], wide: int, high: int) -> None:
    """Raise RequestError 422 for a box that is not inside the photograph, which is `wide` and `high` in px."""
    for left, top, width, height in boxes:
        if min(left, top, width - 1, height - 1) < 0 or left + width > wide or top + height > high:
            what = f"box {[left, top, width, height]} is not inside the photograph"
            expected = f"left, top, width, height in px within {wide} × {high}"
            raise RequestError(422, "invalid", what, expected=expected, next="draw it again")


@router.delete("/inspections/{number}/reviews/{review_id}", response_model=Review)
def undo(
    request: Request,
    account: Annotated[Account, needs(Right.REVIEW)],
    number: Number,
    review_id: Annotated[int, Path(ge=1, lt=2**53)],
) -> Response:
    """Take a review back by a further row; nothing is deleted. An operator may take back only their own reviews."""
    here = station(request)
    known = {each.id: each for each in here.records.reviews(number)}
    if review_id not in known:
        raise RequestError(
            404, "not_found", "no such review", expected="a review of this plate", next="list its reviews"
        )
    if account.role is not Role.ENGINEER and known[review_id].reviewer != account.name:
        raise RequestError(
            403, "not_allowed", "another person's review", expected="your own review", next="ask an engineer"
        )
    made = here.records.undo(review_id, account.name)
    here.line.tail.wake()
    return json_response(review_as_dict(made))
