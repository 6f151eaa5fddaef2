"""Four tables and no logic: what follows from what, when, and which routes there are."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from app.core.db import Database
from app.core.events import Event, On, Wiring
from app.core.jobs import Job
from app.payments.gateway import Gateway
from app.settings import Settings

REACTIONS: tuple[On[Any], ...] = ()
HANDLERS: tuple[On[Any], ...] = ()
EVENTS: tuple[type[Event], ...] = ()
JOBS: tuple[Job, ...] = ()
ROUTERS: tuple[APIRouter, ...] = ()

WIRING = Wiring.of(REACTIONS, HANDLERS, EVENTS)


def gateways_of(settings: Settings, database: Database) -> Mapping[str, Gateway]:
    """The payment gateways of this installation, by name."""
    return {}
