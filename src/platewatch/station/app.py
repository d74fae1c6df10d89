"""The station as an application: its parts, its addresses, who may pass, and one shape for what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata, resources
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import Lifespan

from platewatch.line.model_registry import ModelRegistry
from platewatch.records import Records
from platewatch.station import (
    api_reference,
    health_page,
    inspections,
    login,
    models_page,
    monitoring,
    pages,
    problem_details,
    reviews,
    service,
)
from platewatch.station.live import Message
from platewatch.station.retraining_runs import RetrainingRuns
from platewatch.station.security import AccessControl
from platewatch.station.sessions import LoginThrottle, Sessions
from platewatch.station.settings import Settings
from platewatch.station.state import Station, assemble
from platewatch.station.users import Users


def create_app(models: ModelRegistry, records: Records, settings: Settings | None = None) -> FastAPI:
    """The station for these models and this record; `app.state.station` has its parts.

    It closes neither: whoever opened them does. Raises InputError for a damaged file of users.
    """
    settings = settings or Settings()
    station = assemble(models, records, settings)
    challengers = RetrainingRuns(models, settings, lambda run: station.live.publish(Message("model", run.outcome)))
    app = FastAPI(
        title="Platewatch station",
        version=metadata.version("platewatch"),
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(station, challengers),
    )
    users = Users(settings.users or Path("platewatch-users.json"))
    logins = Sessions(users, settings.session_h)
    app.state.station, app.state.users, app.state.logins, app.state.attempts = station, users, logins, LoginThrottle()
    app.add_middleware(AccessControl, settings=settings, users=users, logins=logins)
    problem_details.install(app)
    static = resources.files("platewatch.station") / "static"
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    app.state.error_page, app.state.challengers = pages.refused_page, challengers
    for part in (inspections, reviews, service, monitoring, login, api_reference, pages, health_page, models_page):
        app.include_router(part.router)
    return app


def _lifespan(station: Station, challengers: RetrainingRuns) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        station.health.start()
        yield
        challengers.stop()
        station.live.close()
        station.work.stop()
        station.health.stop()

    return lifespan
