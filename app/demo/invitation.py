"""What `quanpu demo` prints once the shop is open: where to look and how to join the group."""

import secrets

from app.seed import OPERATOR_EMAIL, OPERATOR_PASSWORD, Seeded

_TEXT = """
圈铺已开张 · Quanpu is open
  接口文档 docs          {url}/docs
  操作员 operator        {email} / {password}
  店铺 shop              {shop_id}
  成员登录 member code   sandbox-demo-00 … sandbox-demo-59

这个三人团还差一人，{minutes} 分钟内有效：东魁杨梅 原价 199.00，单买 159.00，一起买 99.00。
This group of three is one member short for {minutes} more minutes: list 19900, alone 15900,
together 9900. Paste this to join and pay; the group succeeds. 粘贴以下命令参团并付款：

{snippet}
停止 stop: Ctrl-C · 清空重来 start anew: quanpu demo --reset · 自动演示 watch: quanpu demo --buy
"""

_SNIPPET = """\
API={url}; ME=sandbox-{name}; KEY=$(date +%s)-{name}
json() {{ sed -n 's/.*"'"$1"'":"\\([^"]*\\)".*/\\1/p' | head -n 1; }}
post() {{ curl -sS "$API$1" -H 'Content-Type: application/json' -H "Authorization: Bearer $TOKEN" \\
  -H "Idempotency-Key: $KEY$1" -d "$2"; echo; }}
TOKEN=$(curl -sS "$API/v1/auth/wechat" -H 'Content-Type: application/json' \\
  -d '{{"code":"'$ME'","nickname":"新朋友"}}' | json access_token)
WISH='"shop_id":"{shop_id}","lines":[{{"variant_id":"{variant_id}","quantity":1}}],"group":{{"join":"{group_id}"}}'
QUOTE=$(post /v1/quotes "{{$WISH}}" | json quote_id)
ORDER=$(post /v1/orders "{{$WISH,\\"quote_id\\":\\"$QUOTE\\",\\"address\\":{{{address}}}}}" \\
  | sed 's/^{{"id":"\\([^"]*\\)".*/\\1/')
post /v1/orders/$ORDER/payments '{{"token":"sandbox_success"}}'
curl -sS $API/v1/groups/{group_id}; echo
"""

_ADDRESS = {
    "recipient": "林小禾",
    "phone": "13800000000",
    "province": "浙江省",
    "city": "台州市",
    "district": "仙居县",
    "street": "福应街道",
    "detail": "环城南路 1 号",
}


def join_snippet(url: str, seeded: Seeded) -> str:
    """Shell lines that sign a new member in, join the group that is one short, and pay."""
    address = ",".join(f'\\"{key}\\":\\"{value}\\"' for key, value in _ADDRESS.items())
    return _SNIPPET.format(
        url=url,
        name=f"guest-{secrets.token_hex(3)}",
        shop_id=seeded.shop_id,
        variant_id=seeded.variant_id,
        group_id=seeded.group_id,
        address=address,
    )


def invitation(url: str, seeded: Seeded) -> str:
    """The whole text, in Chinese and English."""
    return _TEXT.format(
        url=url,
        email=OPERATOR_EMAIL,
        password=OPERATOR_PASSWORD,
        shop_id=seeded.shop_id,
        minutes=seeded.minutes_left,
        snippet=join_snippet(url, seeded),
    )
