"""Checks of samples: what the method learns from is finite, and the observables are not constant."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import LearningMethod
from mmc.compiler.settings.sampling import SampleSettings
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.sampler import MOST_NEGATIVE

ROUNDING = 1e-6
"""Negative weights that are a smaller part of the cross section come from rounding in the morphing."""


def left_out(samplers: Sequence[Any]) -> Iterator[str]:
    """Warnings of the parts of the cross section that samples lack."""
    if (negative := max(sampler.negative for sampler in samplers)) > ROUNDING:
        yield f"events with negative weights, up to {negative:.2%} of the cross section at a point, are left out"
    if (trimmed := max(sampler.left_out for sampler in samplers)) > 0.0:
        yield f"n_eff_forced removes up to {trimmed:.2%} of the cross section"


def repair(arrays: dict[str, Array], method: LearningMethod) -> list[str]:
    """Check what the method learns from, and set negative joint ratios to 0, in place: the losses crash on them.

    :raises StepError: when a number is not finite, for example because an event is impossible at one of the points, or
        too many ratios are negative to come from rounding in the morphing
    """
    unused = {"x", *(() if method.joint_ratio else ("r_xz",))}
    unused |= set() if method.needs_morphing else {"t_xz", "t_xz0", "t_xz1"}
    for name in [name for name in arrays if name not in unused]:
        finite = np.isfinite(arrays[name])
        if not finite.all():
            bad = int((~finite).any(axis=-1).sum())
            raise StepError(f"{name} is not finite in {bad} of {len(finite)} samples: draw samples at other points")
    if "r_xz" not in arrays or not method.joint_ratio:
        return []
    negative = arrays["r_xz"] < 0.0
    if negative.mean() > MOST_NEGATIVE:
        raise StepError(
            f"{negative.mean():.1%} of the samples have a negative joint ratio, because events have weights of both "
            "signs: draw samples at other points, or use carl, which needs no joint ratio"
        )
    arrays["r_xz"] = np.where(negative, 0.0, arrays["r_xz"]).astype(arrays["r_xz"].dtype)
    if not negative.any():
        return []
    return [f"{negative.mean():.2%} of the samples have a negative joint ratio, which is set to 0"]


def check_observables(x: Array, observables: Sequence[str], settings: SampleSettings) -> list[str]:
    """Check the observables that the network uses; warnings for MadMiner's default observables that are constant.

    :raises StepError: when an observable is not finite in some samples, or an observable of the study is constant
    """
    used = settings.features or observables
    columns = {name: x[:, k] for k, name in enumerate(observables) if name in used}
    for name, values in columns.items():
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise StepError(
                f"the observable {name} is not finite in {bad} of {len(values)} samples: give the observable a "
                "default, make it required, or leave it out of `features`"
            )
    constant = [name for name, values in columns.items() if not np.ptp(values)]
    for name in constant:
        if name not in settings.default_observables:
            raise StepError(
                f"the observable {name} has the same value in all samples: check its definition, or leave it out of "
                "`features`"
            )
    return [f"the observable {name} has the same value in all samples" for name in constant]
