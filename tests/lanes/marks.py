"""How the lanes' own tests are shortened where the lanes are."""

import pytest

from tests.lanes.world import scale

# At full scale every check is tried on both databases, as the lanes themselves are.
SHORT = [pytest.mark.one_database] if scale() == "ci" else []
# Whoever asks for the installation `sold` shares it in one process: to make it takes longest.
ON_ONE = [*SHORT, pytest.mark.xdist_group("sold")]
