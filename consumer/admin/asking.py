"""What routes are given: the doors, the watch and the lock of the app that they are in."""

from typing import Annotated

from fastapi import Depends, Request

from consumer.admin.checkup import Checkup
from consumer.admin.doors import Doors
from consumer.admin.locking import Lock
from consumer.admin.watching import Watch


def _doors(request: Request) -> Doors:
    doors: Doors = request.app.state.doors
    return doors


def _watch(request: Request) -> Watch:
    watch: Watch = request.app.state.watch
    return watch


def _lock(request: Request) -> Lock:
    lock: Lock = request.app.state.lock
    return lock


def _checkup(request: Request) -> Checkup:
    checkup: Checkup = request.app.state.checkup
    return checkup


Doored = Annotated[Doors, Depends(_doors)]
Watched = Annotated[Watch, Depends(_watch)]
Locking = Annotated[Lock, Depends(_lock)]
Examined = Annotated[Checkup, Depends(_checkup)]
