"""`quanpu payments`: our books against the payment providers'."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from app.cli.shared import EPILOG, MISUSED, REFUSED, fail, run_on_database, say, settings_here
from app.cli.texts import text
from app.core.db import Database
from app.settings import Settings

payments = typer.Typer(help="Payments 支付", no_args_is_help=True, epilog=EPILOG)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


# Without it a group of one command would be that command.
@payments.callback()
def _payments() -> None:
    """Payments 支付."""


@payments.command("reconcile", epilog=EPILOG)
def reconcile(
    *,
    since: Annotated[
        str, typer.Option(help="2026-11-20, an RFC 3339 time, or 90m, 36h, 7d ago 起始时间")
    ],
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is safe 修复可安全修复的差异")
    ] = False,
    gateway: Annotated[str, typer.Option(help="One provider only 仅核对该渠道")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout 输出 JSON")] = False,
) -> None:
    """Compare our books with the providers' 与支付渠道对账; exit 1 while differences are left."""
    settings = settings_here()
    asked = _Asked(gateway, _moment(since), repairs=repair)
    found = run_on_database(settings, lambda db: _compared(settings, db, asked))
    left = 0
    for name, differences in found.items():
        mended = sum(d["is_mended"] for d in differences)
        left += len(differences) - mended
        if not as_json:
            for difference in differences:
                key = "difference_mended" if difference["is_mended"] else "difference"
                typer.echo(text(key, **difference))
        told = text("reconciled", gateway=name, count=len(differences), mended=mended)
        say(told, as_json=as_json, gateway=name, mended=mended, differences=differences)
    raise typer.Exit(REFUSED if left else 0)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which provider, or all; since when; and whether to mend."""

    gateway: str
    since: datetime | timedelta
    repairs: bool


async def _compared(
    settings: Settings, database: Database, asked: _Asked
) -> Mapping[str, Sequence[dict[str, Any]]]:
    # Providers' libraries are heavy, and no other command wants them.
    from app.audit.service import reconcile as compare
    from app.payments.gateway import Bookkeeper, GatewayUnavailable
    from app.wiring import gateways_of

    async with database.reading() as db:
        await database.clock.sync(db)
    since = asked.since
    start = database.clock.now() - since if isinstance(since, timedelta) else since
    gateways = gateways_of(settings, database)
    readable = {n: g for n, g in gateways.items() if isinstance(g, Bookkeeper)}
    if asked.gateway and asked.gateway not in readable:
        fail(text("no_such_books", gateway=asked.gateway, known=", ".join(readable)), code=MISUSED)
    found: dict[str, Sequence[dict[str, Any]]] = {}
    for name, gateway in readable.items():
        if asked.gateway in {"", name}:
            try:
                differences = await compare(database, gateway, start, repairs=asked.repairs)
            except GatewayUnavailable:
                fail(text("provider_away", gateway=name))
            found[name] = [asdict(difference) for difference in differences]
    return found


def _moment(told: str) -> datetime | timedelta:
    """A point in time, aware, or how long ago; a bare date begins in UTC."""
    unit = _UNITS.get(told[-1:])
    if unit and told[:-1].isdecimal():
        return timedelta(**{unit: int(told[:-1])})
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        fail(text("time_wrong", told=told), code=MISUSED)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
