"""The shop of the worked examples, planted through the services as people would make it."""

from app.seed.plant import OPERATOR_EMAIL, OPERATOR_PASSWORD, Seeded, SeedRefusedError, plant

__all__ = ["OPERATOR_EMAIL", "OPERATOR_PASSWORD", "SeedRefusedError", "Seeded", "plant"]
