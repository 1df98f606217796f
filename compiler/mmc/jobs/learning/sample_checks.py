"""Checks of samples: they have enough events, what the method learns from is finite, and observables vary."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import LearningMethod
from mmc.compiler.settings.sampling import SampleSettings
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.sampler import MOST_NEGATIVE

FEW, SMALL_PART = 100, 0.1
"""There is a warning if the effective sample size is smaller than FEW or than this fraction of the partition."""
TOO_FEW = 2.0
"""The smallest mean effective sample size over the points; below it, one event makes up more than half of the
samples."""

ROUNDING = 1e-6
"""Negative weights that are a smaller part of the cross section come from rounding in the morphing."""


def left_out(samplers: Sequence[Any]) -> Iterator[str]:
    """Warnings of the parts of the cross section that samples lack."""
    if (negative := max(sampler.negative for sampler in samplers)) > ROUNDING:
        yield f"events with negative weights, up to {negative:.2%} of the cross section at a point, are left out"
    if (trimmed := max(sampler.left_out for sampler in samplers)) > 0.0:
        yield f"n_eff_forced removes up to {trimmed:.2%} of the cross section"


def check_effective(sizes: Mapping[str, Array], n_events: Mapping[str, int], partition: str) -> list[str]:
    """Check the effective sample sizes at the points of ``theta``, ``theta0`` or ``theta1``.

    :param n_events: the numbers of events from which the samples are drawn, by the same names
    :returns: a warning if the smallest is small
    :raises StepError: when one event makes up most of the samples
    """
    for name, found in sizes.items():
        if found.mean() < TOO_FEW:
            raise StepError(
                f"the {partition} samples at {name} have an effective sample size of {found.mean():.1f} from "
                f"{n_events[name]} events: generate more events, at a benchmark near these points"
            )
    smallest = [(float(found.min()), n_events[name]) for name, found in sizes.items()]
    few = [(size, n) for size, n in smallest if size < max(FEW, SMALL_PART * n)]
    return [
        f"{partition}: the effective sample size is only {size:.0f} from {n} events at some parameter points: generate "
        "events at a benchmark near these points, or draw samples at nearer points"
        for size, n in sorted(few)[:1]
    ]


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
