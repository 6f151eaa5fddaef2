"""The verbs of privacy."""

from app.identity.service import erased_since
from app.privacy.service.erasing import Erasure, erase, forget
from app.privacy.service.telling import export_parts

__all__ = ["Erasure", "erase", "erased_since", "export_parts", "forget"]
