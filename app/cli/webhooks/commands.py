"""The commands of `quanpu webhooks`, which ask a server over HTTP with an API key of a shop."""

from typing import Annotated
from urllib.parse import urlsplit

import httpx2
import typer

from app.cli.shared import EPILOG, MISUSED, fail, say
from app.cli.texts import text
from app.cli.webhooks.listening import Listener, Receiver, forwarded
from app.cli.webhooks.remote import shop_at
from app.webhooks.service.secrets import fresh_secret

FORWARD_TIMEOUT_SECONDS = 15.0

webhooks = typer.Typer(help="Webhooks 事件推送", no_args_is_help=True, epilog=EPILOG)

Url = Annotated[str, typer.Option(envvar="QUANPU_URL", help="The server 服务地址")]
Key = Annotated[
    str, typer.Option(envvar="QUANPU_API_KEY", help="An API key of the shop 店铺 API 密钥")
]
ShopId = Annotated[str, typer.Option("--shop", envvar="QUANPU_SHOP", help="The shop's id 店铺")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout 输出 JSON")]


@webhooks.command("listen", epilog=EPILOG)
def listen(
    *,
    forward_to: Annotated[str, typer.Option(help="Where each event is sent 转发地址")],
    events: Annotated[str, typer.Option(help="Kinds, with commas between 事件类型")] = "*",
    url: Url,
    api_key: Key,
    shop: ShopId,
    as_json: AsJson = False,
) -> None:
    """Send what happens from now on to your own machine, signed; until Ctrl-C 转发到本机."""
    if urlsplit(forward_to).scheme not in {"http", "https"}:
        fail(text("forward_wrong", url=forward_to), code=MISUSED)
    secret = fresh_secret()
    kinds = [kind.strip() for kind in events.split(",") if kind.strip()]
    with (
        shop_at(url, api_key, shop) as there,
        httpx2.Client(timeout=FORWARD_TIMEOUT_SECONDS, trust_env=False) as here,
    ):
        listener = Listener.from_now_on(there, kinds)
        say(text("listening", url=forward_to, secret=secret), as_json=as_json, secret=secret)
        try:
            for event, outcome in forwarded(listener, Receiver(here, forward_to, secret)):
                facts = {"type": event["type"], "id": event["id"], "outcome": outcome}
                say(text("forwarded", **facts), as_json=as_json, **facts)
        except KeyboardInterrupt:
            raise typer.Exit from None


@webhooks.command("trigger", epilog=EPILOG)
def trigger(
    event: Annotated[str, typer.Argument(help="A kind of event, e.g. order.paid 事件类型")],
    *,
    endpoint: Annotated[str, typer.Option(help="To this endpoint only 仅发往该地址")] = "",
    url: Url,
    api_key: Key,
    shop: ShopId,
    as_json: AsJson = False,
) -> None:
    """Send an example of an event to one endpoint, or to all that are enabled 发送测试事件."""
    with shop_at(url, api_key, shop) as there:
        ids = (
            [endpoint]
            if endpoint
            else [one["endpoint_id"] for one in there.endpoints() if one["state"] == "enabled"]
        )
        if not ids:
            fail(text("no_endpoints"))
        for endpoint_id in ids:
            made = there.post(f"/webhook-endpoints/{endpoint_id}/test", {"kind": event})
            facts = {"delivery_id": made["delivery_id"], "endpoint_id": endpoint_id}
            say(text("triggered", kind=event, **facts), as_json=as_json, **facts)


@webhooks.command("resend", epilog=EPILOG)
def resend(
    delivery_id: Annotated[str, typer.Argument(help="The delivery's id 推送记录编号")],
    *,
    url: Url,
    api_key: Key,
    shop: ShopId,
    as_json: AsJson = False,
) -> None:
    """Send a message again, with the same id 重新推送."""
    with shop_at(url, api_key, shop) as there:
        made = there.post(f"/webhook-deliveries/{delivery_id}/resend")
        facts = {"delivery_id": made["delivery_id"], "kind": made["kind"]}
        say(text("resent", **facts), as_json=as_json, **facts)
