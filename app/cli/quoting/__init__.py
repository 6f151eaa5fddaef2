"""Pricing a file: its shape and contradictions are told first, then the engine prices it."""

from app.cli.quoting.files import price, read

__all__ = ["price", "read"]
