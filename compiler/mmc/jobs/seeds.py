"""Seeds every random number generator that a job may draw from."""

import random
import sys


def seed_generators(seed: int) -> None:
    """Seed ``random``, and numpy and torch where they are imported: a step module that draws has them at its top."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
