"""What WeChat Pay knows: orders and refunds, and a file of everything that moved money."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.doubles.wechatpay.keys import Merchant

LIVE_REFUNDS = ("PROCESSING", "SUCCESS", "ABNORMAL")


class RefusedError(Exception):
    """An answer with a code and a sentence, which like the real one may quote what was sent."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Books:
    """Stateful: the same number is the same order or refund, whatever is asked how often."""

    def __init__(self, merchant: Merchant, truth: Path) -> None:
        self.merchant, self._truth = merchant, truth
        self.openids = {"o-buyer"}
        self.orders: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.balance_amount: int | None = None

    def _note(self, kind: str, **facts: Any) -> None:
        with self._truth.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **facts}, ensure_ascii=False) + "\n")

    def truth(self) -> list[dict[str, Any]]:
        """All that happened, oldest first."""
        if not self._truth.exists():
            return []
        return [json.loads(line) for line in self._truth.read_text("utf-8").splitlines()]

    def money(self) -> list[tuple[str, int]]:
        """The amounts that moved, oldest first."""
        kinds = {"paid", "refunded"}
        return [(e["kind"], e["amount"]) for e in self.truth() if e["kind"] in kinds]

    # What the merchant asks for.

    def announce(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """A prepay id for an order; repeated with the same content, the same one."""
        self._check_wish(wish)
        number = wish["out_trade_no"]
        known = self.orders.get(number)
        if known is None:
            known = {"wish": dict(wish), "trade_state": "NOTPAY", "prepay_id": _number("wx")}
            self.orders[number] = known
            self._note("announced", out_trade_no=number, amount=wish["amount"]["total"])
        elif known["trade_state"] in ("SUCCESS", "REFUND"):
            raise RefusedError(400, "ORDERPAID")
        elif known["trade_state"] != "NOTPAY":
            raise RefusedError(400, "ORDER_CLOSED")
        elif known["wish"] != wish:
            raise RefusedError(403, "OUT_TRADE_NO_USED")
        return {"prepay_id": known["prepay_id"]}

    def _check_wish(self, wish: Mapping[str, Any]) -> None:
        if (wish.get("appid"), wish.get("mchid")) != (self.merchant.app_id, self.merchant.mch_id):
            raise RefusedError(400, "APPID_MCHID_NOT_MATCH")
        amount, openid = wish.get("amount", {}), wish.get("payer", {}).get("openid")
        whole = (
            0 < len(wish.get("description", "")) <= 127
            and 6 <= len(wish.get("out_trade_no", "")) <= 32
            and wish.get("notify_url", "").startswith("https://")
            and len(wish.get("attach", "")) <= 128
            and isinstance(amount.get("total"), int)
            and amount["total"] > 0
            and amount.get("currency") == "CNY"
        )
        if not whole or openid not in self.openids:
            raise RefusedError(400, "PARAM_ERROR", f"无效的openid {openid}")

    def order(self, number: str) -> dict[str, Any]:
        """An order as it is answered; amounts and payer are told once it was paid."""
        known = self.orders.get(number)
        if known is None:
            raise RefusedError(404, "ORDER_NOT_EXIST")
        told = {
            "appid": self.merchant.app_id,
            "mchid": self.merchant.mch_id,
            "out_trade_no": number,
            "trade_state": known["trade_state"],
            "trade_state_desc": "…",
            "attach": known["wish"].get("attach", ""),
        }
        if "transaction_id" in known:
            payer = known["wish"]["payer"]
            paid = {
                "transaction_id": known["transaction_id"],
                "trade_type": "JSAPI",
                "bank_type": "OTHERS",
                "success_time": known["success_time"],
                "payer": payer,
                "amount": {
                    "total": known["paid"],
                    "payer_total": known["paid"],
                    "currency": known["currency"],
                    "payer_currency": known["currency"],
                },
            }
            told.update(paid)
        return told

    def close(self, number: str) -> None:
        """Close an unpaid order."""
        known = self.orders.get(number)
        if known is None:
            raise RefusedError(404, "ORDER_NOT_EXIST")
        if known["trade_state"] in ("SUCCESS", "REFUND"):
            raise RefusedError(400, "ORDERPAID")
        known["trade_state"] = "CLOSED"
        self._note("closed", out_trade_no=number)

    def give_back(self, wish: Mapping[str, Any], at: str) -> dict[str, Any]:
        """Accept a refund; the same number with the same content is the same refund."""
        number = wish["out_refund_no"]
        known = self.refunds.get(number)
        if known is None:
            known = self.refunds[number] = self._accepted(wish, at)
            self._note("accepted", out_refund_no=number, amount=wish["amount"]["refund"])
        elif known["wish"] != wish:
            raise RefusedError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致")
        return self.refund(number)

    def _accepted(self, wish: Mapping[str, Any], at: str) -> dict[str, Any]:
        paid = self.orders.get(wish["out_trade_no"])
        if paid is None:
            raise RefusedError(404, "RESOURCE_NOT_EXISTS")
        amount = wish["amount"]
        given = sum(
            r["wish"]["amount"]["refund"]
            for r in self.refunds.values()
            if r["wish"]["out_trade_no"] == wish["out_trade_no"] and r["status"] in LIVE_REFUNDS
        )
        if "transaction_id" not in paid or amount["total"] != paid["paid"]:
            raise RefusedError(400, "INVALID_REQUEST", "订单金额不一致")
        if not 0 < amount["refund"] <= paid["paid"] - given:
            raise RefusedError(400, "INVALID_REQUEST", "退款金额超过可退余额")
        if self.balance_amount is not None and amount["refund"] > self.balance_amount:
            raise RefusedError(403, "NOT_ENOUGH")
        paid["trade_state"] = "REFUND"
        return {
            "wish": dict(wish),
            "status": "PROCESSING",
            "refund_id": _number("50"),
            "create_time": at,
        }

    def refund(self, number: str) -> dict[str, Any]:
        """A refund as it is answered."""
        known = self.refunds.get(number)
        if known is None:
            raise RefusedError(404, "RESOURCE_NOT_EXISTS")
        wish = known["wish"]
        told = {
            "refund_id": known["refund_id"],
            "out_refund_no": number,
            "transaction_id": self.orders[wish["out_trade_no"]]["transaction_id"],
            "out_trade_no": wish["out_trade_no"],
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": known["create_time"],
            "status": known["status"],
            "amount": {**wish["amount"], "payer_refund": wish["amount"]["refund"]},
        }
        if "success_time" in known:
            told["success_time"] = known["success_time"]
        return told

    # What buyers and banks do.

    def pay(self, number: str, at: datetime, *, short: int = 0, currency: str = "CNY") -> None:
        """The buyer pays, once; `short` is what is missing of the amount."""
        known = self.orders[number]
        assert known["trade_state"] == "NOTPAY", known["trade_state"]
        known.update(
            trade_state="SUCCESS",
            transaction_id=_number("42"),
            success_time=at.isoformat(),
            paid=known["wish"]["amount"]["total"] - short,
            currency=currency,
        )
        self._note("paid", out_trade_no=number, amount=known["paid"])

    def settle(self, number: str, status: str, at: datetime) -> None:
        """What becomes of a refund under way: SUCCESS, ABNORMAL or CLOSED."""
        known = self.refunds[number]
        assert known["status"] in ("PROCESSING", "ABNORMAL"), known["status"]
        known["status"] = status
        if status == "SUCCESS":
            known["success_time"] = at.isoformat()
            amount = known["wish"]["amount"]["refund"]
            self._note("refunded", out_refund_no=number, amount=amount)


def _number(start: str) -> str:
    return start + str(secrets.randbelow(10**26)).zfill(26)
