"""The process itself: health, readiness, settings, and the API's own description."""

from typing import Any

from fastapi import APIRouter, Request, Response

from consumer.admin.api.answers import Health, Readiness
from consumer.admin.asking import Doored
from consumer.admin.problems import Busy
from consumer.admin.roles import needs, open_to_all, router
from consumer.core.failure import HeadraceError
from consumer.core.roles import Role

probes: APIRouter = router(tags=["process"])
routes: APIRouter = router(tags=["process"])


@probes.get("/healthz")
@open_to_all
async def healthz() -> Health:
    """Whether the process goes on. No thread answers it, since slow questions may have all of them."""
    return Health()


@probes.get("/readyz", responses={503: {"model": Readiness}})
@open_to_all
def readyz(doors: Doored, response: Response) -> Readiness:
    """Whether the database answers."""
    try:
        with doors.through(doors.desk) as desk:
            desk.positions(None, stopped=True, most=1)
    except HeadraceError as error:
        response.status_code = 503
        # where it is, is nobody's matter who has not said who they are
        return Readiness(ready=False, why=error.failure.kind)
    except Busy:
        response.status_code = 503
        return Readiness(ready=False, why="busy")
    return Readiness(ready=True)


@routes.get("/settings")
@needs(Role.ADMIN)
def settings(doors: Doored) -> dict[str, Any]:
    """The settings, without what is secret."""
    return doors.settings()


@routes.get("/about")
@needs(Role.VIEWER)
def about(doors: Doored) -> dict[str, str]:
    """Version and group."""
    return doors.about


@routes.get("/openapi.json", include_in_schema=False)
@needs(Role.VIEWER)
def openapi(request: Request) -> dict[str, Any]:
    """The description of all this."""
    described: dict[str, Any] = request.app.state.describe()
    return described
