"""`quanpu promotions`: prices without a shop, from a file, for whoever writes promotions."""

import json
from typing import Annotated

import typer

from app.cli.shared import EPILOG, MISUSED
from app.core.errors import Problem

promotions = typer.Typer(help="Promotions 优惠活动", no_args_is_help=True, epilog=EPILOG)


# Without it a group of one command would be that command.
@promotions.callback()
def _promotions() -> None:
    """Promotions 优惠活动."""


@promotions.command("quote", epilog=EPILOG)
def quote(
    *,
    file: Annotated[str, typer.Argument(help="JSON file, or - for stdin; JSON 文件，- 为标准输入")],
    as_json: Annotated[bool, typer.Option("--json", help="Refusals as JSON too 错误也用 JSON")] = (
        False
    ),
) -> None:
    """Price the basket of a file as JSON, without database or settings 为文件中的购物车计价."""
    # What it needs of the service comes with it, and no other command wants that.
    from app.cli.quoting import price, read

    try:
        priced = price(read(file))
    except Problem as refusal:
        for fault in refusal.errors:
            told = json.dumps(fault, ensure_ascii=False)
            line = told if as_json else "{code} {pointer}: {detail}".format_map(fault)
            typer.echo(line, err=True)
        raise typer.Exit(MISUSED) from refusal
    typer.echo(json.dumps(priced, ensure_ascii=False, indent=2))
