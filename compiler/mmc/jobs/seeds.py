"""Seed every random number generator that a job may draw from."""

import random
import sys


def seed_generators(seed: int) -> None:
    """Seed ``random``, numpy and, if already imported, torch; step modules that need torch import it at the top."""
    import numpy as np  # only once the threads of the job are limited

    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
