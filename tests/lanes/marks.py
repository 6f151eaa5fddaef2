"""How the lanes' own tests are shortened where the lanes are."""

import pytest

from tests.lanes.world import scale

# At full scale every check is tried on both databases, as the lanes themselves are.
SHORT = [pytest.mark.one_database] if scale() == "ci" else []
