"""New objects with every key that Stripe's published samples have; `shapes.json` lists those."""

import secrets
import string
from typing import Any

Object = dict[str, Any]
_LETTERS = string.ascii_letters + string.digits
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def new_id(prefix: str, length: int = 24) -> str:
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(length))}"


def nobody() -> Object:
    """Billing details that nobody has given."""
    address = dict.fromkeys(_ADDRESS)
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}


def payment_intent(now: int, *, livemode: bool, amount: int, currency: str) -> Object:
    reference = new_id("pi")
    return {
        "id": reference,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{reference}_{new_id('secret', 25)}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": livemode,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def payment_method(now: int, *, livemode: bool, kind: str, token: str) -> Object:
    """`token` is kept as a card's fingerprint: it decides how the card behaves."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": nobody(),
        kind: card(token) if kind == "card" else {},
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": livemode,
        "metadata": {},
        "type": kind,
    }


def card(token: str) -> Object:
    brand = next((one for one in ("mastercard", "unionpay") if one in token.lower()), "visa")
    return {
        "brand": brand,
        "checks": _checks(),
        "country": "US",
        "display_brand": brand,
        "exp_month": 8,
        "exp_year": 2034,
        "fingerprint": token,
        "funding": "credit",
        "generated_from": None,
        "last4": "4242",
        "networks": {"available": [brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _checks() -> Object:
    return {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def charge(now: int, intent: Object, method: Object) -> Object:
    """A charge as it stands before it has succeeded or failed."""
    kind = method["type"]
    reference = new_id("ch" if kind == "card" else "py")
    return {
        "id": reference,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": nobody(),
        "calculated_statement_descriptor": "DOUBLE" if kind == "card" else None,
        "captured": False,
        "created": now,
        "currency": intent["currency"],
        "customer": None,
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": intent["livemode"],
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(),
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": kind, kind: _paid_with(method, intent["amount"])},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": f"https://pay.stripe.test/receipts/{reference}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed",
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome() -> Object:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def _paid_with(method: Object, amount: int) -> Object:
    if method["type"] == "alipay":
        return {"buyer_id": new_id("2088", 12), "fingerprint": None, "transaction_id": None}
    if method["type"] == "wechat_pay":
        return {"fingerprint": None, "location": None, "reader": None, "transaction_id": None}
    used = method["card"]
    return {
        "amount_authorized": amount,
        "authorization_code": None,
        "brand": used["brand"],
        "checks": _checks(),
        "country": used["country"],
        "exp_month": used["exp_month"],
        "exp_year": used["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": used["fingerprint"],
        "funding": used["funding"],
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": used["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": used["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }


def refund(now: int, charged: Object, amount: int) -> Object:
    kind = charged["payment_method_details"]["type"]
    detail = {"type": "refund"} if kind == "card" else {}
    return {
        "id": new_id("re" if kind == "card" else "pyr"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charged["id"],
        "created": now,
        "currency": charged["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": {"type": kind, kind: detail},
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method": charged["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def balance_transaction(now: int, source: Object, kind: str, amount: int, fee: int) -> Object:
    """`amount` and `fee` may be negative: money that leaves, or comes back."""
    named = {"adjustment": "dispute" if amount < 0 else "dispute_reversal", "payment": "charge"}
    detail = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Dispute fee" if kind == "adjustment" else "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + 2 * 86_400,
        "balance_type": "payments",
        "created": now,
        "currency": source["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [detail] if fee else [],
        "net": amount - fee,
        "reporting_category": named.get(kind, kind),
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }


_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy",
    "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
    "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
    "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
    "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def dispute(now: int, charged: Object, amount: int, reason: str) -> Object:
    kind = charged["payment_method_details"]["type"]
    used: Object = {}
    if kind == "card":
        used = {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"}
        used["network"] = "visa"
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charged["id"],
        "created": now,
        "currency": charged["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": charged["livemode"],
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method_details": {"type": kind, kind: used},
        "reason": reason,
        "status": "needs_response",
    }


def event(now: int, kind: str, data: Object, *, livemode: bool, version: str) -> Object:
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": version,
        "created": now,
        "data": data,
        "livemode": livemode,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
