"""`quanpu webhooks`: hear a shop's events on one's own machine, send examples, send again."""

from app.cli.webhooks.commands import webhooks

__all__ = ["webhooks"]
