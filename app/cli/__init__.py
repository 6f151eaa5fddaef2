"""The command line `quanpu`; `main` is its entry point."""

from app.cli.commands import main

__all__ = ["main"]
