"""The commands of `quanpu`; each says its outcome once, and ends 0, 1 (refused) or 2 (misused)."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from app.cli import demo as demo_commands
from app.cli.doctor import Verdict, examine
from app.cli.migrations import upgrade
from app.cli.operators import NewOperator, make_operator
from app.cli.payments import payments
from app.cli.promotions import promotions
from app.cli.serving import listen, run_server, uvicorn_options
from app.cli.shared import EPILOG, MISUSED, fail, fail_away, run_on_database, say, settings_here
from app.cli.texts import text
from app.cli.webhooks import webhooks
from app.core.db import DATABASE_ERRORS
from app.core.errors import AlreadyExists
from app.core.http.schema import Email
from app.identity.rules import PlatformRole
from app.seed import SeedRefusedError, plant
from app.settings import Settings

PASSWORD_VARIABLE = "QUANPU_OPERATOR_PASSWORD"  # noqa: S105 - the name of a variable
PASSWORD_CHARS = range(10, 129)

cli = typer.Typer(
    name="quanpu",
    help="Quanpu 圈铺: community shops, group buy, promotions. 社群电商后端。",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
operator = typer.Typer(help="Operators' accounts 操作员账号", no_args_is_help=True, epilog=EPILOG)
cli.add_typer(operator, name="operator")
cli.add_typer(payments, name="payments")
cli.add_typer(promotions, name="promotions")
cli.add_typer(webhooks, name="webhooks")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout 输出 JSON")]
Host = Annotated[str, typer.Option(help="Address to listen on 监听地址")]
Port = Annotated[int, typer.Option(help="Port to listen on 监听端口", min=0, max=65_535)]


def main() -> None:
    """Run the command of the command line."""
    cli()


@cli.command(epilog=EPILOG)
def serve(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(help="Processes 进程数", min=1, max=64)] = 1,
    as_json: AsJson = False,
) -> None:
    """Serve the API 启动 API 服务."""
    settings = settings_here()
    if workers > 1:
        _serve_many(settings, host, port, workers)
        return
    from app.main import create_app

    try:
        listener = listen(host, port)
    except OSError as error:
        fail(text("port_refused", host=host, port=port, reason=error.strerror))
    url = f"http://{host}:{listener.getsockname()[1]}"
    run_server(
        create_app(settings),
        settings,
        listener,
        announce=lambda: say(url, as_json=as_json, url=url),
    )


def _serve_many(settings: Settings, host: str, port: int, workers: int) -> None:
    import uvicorn

    uvicorn.run(
        "app.main:app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        **uvicorn_options(settings),
    )


@cli.command(epilog=EPILOG)
def worker(*, as_json: AsJson = False) -> None:
    """Deliver the outbox and run due jobs 启动后台进程."""
    settings = settings_here()
    from app.worker import serve_worker

    say("worker", as_json=as_json, started=True)
    asyncio.run(serve_worker(settings))


@cli.command(epilog=EPILOG)
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database to the newest schema 升级数据库结构."""
    before, after = _migrated(settings_here())
    told = text("migrated", before=before, after=after)
    say(told, as_json=as_json, before=before, after=after)


def _migrated(settings: Settings) -> tuple[str | None, str | None]:
    try:
        return asyncio.run(upgrade(settings))
    except LookupError:
        fail(text("no_migrations"))
    except DATABASE_ERRORS as error:
        fail_away(error)


@cli.command(epilog=EPILOG)
def seed(*, as_json: AsJson = False) -> None:
    """Plant the shop of the worked examples; again changes nothing 写入示例店铺."""
    settings = settings_here()
    try:
        seeded = run_on_database(settings, lambda database: plant(database, settings))
    except SeedRefusedError:
        fail(text("no_seed_in_production"))
    facts = seeded.facts()
    say(text("seeded", **facts), as_json=as_json, **facts)


@operator.command("create", epilog=EPILOG)
def create(
    *,
    email: Annotated[str, typer.Option(help="E-mail to sign in with 登录邮箱")],
    admin: Annotated[bool, typer.Option("--admin", help="Platform admin 平台管理员")] = False,
    as_json: AsJson = False,
) -> None:
    """Create an operator; the password is asked for, or read from QUANPU_OPERATOR_PASSWORD."""
    settings = settings_here()
    try:
        TypeAdapter(Email).validate_python(email)
    except ValidationError:
        fail(text("email_wrong", email=email), code=MISUSED)
    password = os.environ.get(PASSWORD_VARIABLE) or typer.prompt(
        text("password_prompt"), hide_input=True, confirmation_prompt=True
    )
    if len(password) not in PASSWORD_CHARS:
        fail(text("password_short"), code=MISUSED)
    wish = NewOperator(email, password, PlatformRole.ADMIN if admin else None)
    try:
        operator_id = run_on_database(settings, lambda database: make_operator(database, wish))
    except AlreadyExists:
        fail(text("operator_exists"))
    told = text("operator_made", operator_id=operator_id)
    say(told, as_json=as_json, operator_id=str(operator_id), email=email, admin=admin)


@cli.command(epilog=EPILOG)
def doctor(*, as_json: AsJson = False) -> None:
    """Check database, migrations, durability, clock, keys, worker; exit 1 if one fails 自检."""
    settings = settings_here()
    found = run_on_database(settings, lambda database: examine(settings, database))
    failed = any(finding.verdict is Verdict.FAIL for finding in found)
    if as_json:
        checks = [{"check": f.check, "verdict": f.verdict.value, "detail": f.detail} for f in found]
        say("", as_json=True, healthy=not failed, checks=checks)
    else:
        for finding in found:
            name = text(f"check_{finding.check}")
            typer.echo(f"{finding.verdict.value:<5} {name}: {finding.detail}")
    raise typer.Exit(1 if failed else 0)


@cli.command(epilog=EPILOG)
def openapi(
    *,
    out: Annotated[Path | None, typer.Option(help="File to write 输出文件")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the OpenAPI document, or write it to a file 输出接口文档."""
    from app.main import create_app

    # The contract is the same everywhere; the settings of this machine must not colour it.
    told = create_app(Settings.model_construct()).openapi()
    document = json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    if out is None:
        typer.echo(document, nl=False)
        return
    out.write_text(document, encoding="utf-8")
    say(text("openapi_written", path=out), as_json=as_json, path=str(out))


@cli.command(epilog=EPILOG)
def demo(
    *,
    buy: Annotated[bool, typer.Option("--buy", help="Play a group buy 演示一次拼团")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Start from empty 清空重来")] = False,
    port: Port = 8000,
    as_json: AsJson = False,
) -> None:
    """A seeded shop on ./demo.db with server and worker, or the story of a group buy 演示."""
    if buy:
        raise typer.Exit(demo_commands.play(as_json=as_json))
    demo_commands.open_shop(port, reset=reset, as_json=as_json)
