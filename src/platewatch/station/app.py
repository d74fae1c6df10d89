"""The station as a FastAPI application: its parts, routes, access control and error responses."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata, resources
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import Lifespan

from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.records import Records
from platewatch.station import (
    api_reference,
    cameras,
    cameras_page,
    first_model,
    health_page,
    inspections,
    login,
    model_cards,
    models_page,
    monitoring,
    pages,
    part_types,
    problem_details,
    reviews,
    service,
    statistics_page,
)
from platewatch.station.first_model_runs import FirstModelRuns
from platewatch.station.live import Message
from platewatch.station.login_throttle import LoginThrottle, PasswordChecks
from platewatch.station.openapi import StationApp
from platewatch.station.retraining_runs import RetrainingRuns
from platewatch.station.security import AccessControl
from platewatch.station.sessions import Sessions
from platewatch.station.settings import Settings
from platewatch.station.state import Station, assemble
from platewatch.station.training_child import Run
from platewatch.station.users import Users

_PARTS = (
    *(inspections, reviews, service, monitoring, login, api_reference, pages, health_page, models_page),
    *(cameras, cameras_page, model_cards, first_model, part_types, statistics_page),
)


def create_app(models: ModelRegistry | PartTypeModels, records: Records, settings: Settings | None = None) -> FastAPI:
    """The station for these models and this record; `app.state.station` has its parts.

    The caller closes the record. Raises InputError when the file of users is damaged.
    """
    settings = settings or Settings()
    station = assemble(PartTypeModels.of(models), records, settings)

    def notify(run: Run) -> None:
        station.live.publish(Message("model", run.outcome))

    place = threading.Semaphore(1)  # one training at a time
    runs = RetrainingRuns(station.part_types, settings, notify, place)
    first = FirstModelRuns(settings, notify, place)
    users = Users(settings.users or Path("platewatch-users.json"))
    checks = PasswordChecks(users)
    app = StationApp(
        title="Platewatch station",
        version=metadata.version("platewatch"),
        docs_url=None,
        redoc_url=None,
        servers=None if settings.public_url is None else [{"url": settings.public_url}],
        lifespan=_lifespan(station, (runs, first), checks),
    )
    sessions = Sessions(users, settings.session_h)
    app.state.station, app.state.users, app.state.sessions = station, users, sessions
    app.state.login_throttle, app.state.retraining_runs = LoginThrottle(), runs
    app.state.first_model = first
    app.state.password_checks = checks
    app.state.error_page = pages.error_page
    app.add_middleware(AccessControl, settings=settings, users=users, sessions=sessions)
    problem_details.install(app)
    static = resources.files("platewatch.station") / "static"
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    for part in _PARTS:
        app.include_router(part.router)
    return app


def _lifespan(
    station: Station, runs: tuple[RetrainingRuns, FirstModelRuns], checks: PasswordChecks
) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        station.line.start()
        station.alarms.start()
        station.devices.start()
        yield
        station.devices.stop()
        for each in runs:
            each.stop()
        checks.stop()
        station.live.close()
        station.intake.stop()
        station.line.stop()

    return lifespan
