"""`python -m app` is `quanpu`, for where no script is installed."""

from app.cli import main

main()
