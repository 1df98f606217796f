"""Write the tables of the study: `python make_events.py`.

p(z | theta) = N(theta, 2), p(x | z) = N(z, 1), so p(x | theta) = N(theta, sqrt(5)).
"""

from pathlib import Path

import numpy as np

N_EVENTS, N_TRAINING = 5_000, 12_000
WIDTH_Z, WIDTH_X = 2.0, 1.0


def main() -> None:
    """Write events at theta = 0, and events at random points beside events at 0 with their joint ratio and score."""
    random, here = np.random.default_rng(1234), Path(__file__).parent

    def simulate(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = random.normal(theta, WIDTH_Z)
        return z, random.normal(z, WIDTH_X)

    _, x = simulate(np.zeros(N_EVENTS))
    np.savez_compressed(here / "zero.npz", x=x.astype(np.float32))
    theta = random.uniform(-4.0, 4.0, N_TRAINING)
    label = np.arange(N_TRAINING) % 2
    z, x = simulate(np.where(label == 1, 0.0, theta))
    joint_ratio = np.exp((z**2 - (z - theta) ** 2) / (2.0 * WIDTH_Z**2))
    joint_score = (z - theta) / WIDTH_Z**2
    columns = {"x": x, "theta": theta, "label": label, "joint_ratio": joint_ratio, "joint_score": joint_score}
    np.savez_compressed(here / "train.npz", **{name: values.astype(np.float32) for name, values in columns.items()})


if __name__ == "__main__":
    main()
