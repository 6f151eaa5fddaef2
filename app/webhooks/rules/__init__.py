"""Pure decisions of outgoing webhooks: which addresses, how signed, when again, and who first."""

from app.webhooks.rules.urls import url_fault

__all__ = ["url_fault"]
