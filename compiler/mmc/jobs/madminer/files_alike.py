"""Whether the files of one sample have the same distributions, as parts of one generation have.

Such files are averaged. Files with another selection, process or order of weights would make the mean wrong, also where
their cross sections agree: as those of which events were cut and the numbers in the header made to fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer import layout
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.event_order import ranks
from mmc.jobs.madminer.event_origins import DIFFERENT, significant
from mmc.jobs.madminer.event_rows import blocks_of, rows_of, width

SHIFTED = 0.1
"""The smallest difference between the means of a quantity that counts, in standard deviations of the quantity."""
FEWEST = 100.0
"""The smallest effective number of events of a file that is compared."""
LOOKED_AT = 1 << 26
"""The bytes of the events of a sample that are compared, at most: of more events, those at equal distances."""

_STEPS = 1 << 14
"""Values are rounded to this part of them."""

Ints = npt.NDArray[np.intp]


def check_alike(
    files: Mapping[str, Path], benchmarks: Sequence[str], sampled: str, advice: str, *, background: bool
) -> None:
    """Compare the files of one sample: the cross sections after cuts at all benchmarks, and the mean ranks of the
    observables, of the weights relative to those of the sampled benchmark, and of their products. Files with too few
    events for it are left out.

    :param files: by the names of their jobs; MadMiner's files, in each of which the weights add up to cross sections
    :param benchmarks: the physical benchmarks of the files
    :param sampled: the benchmark at which their events were sampled
    :param advice: the end of the message
    :param background: whether the weights at all benchmarks are the same
    :raises StepError: when the files differ by more than chance allows
    """
    jobs, paths = list(files), list(files.values())
    if len(jobs) < len(("one", "another")):
        return
    chosen = [benchmarks.index(sampled), *([] if background else range(len(benchmarks)))]
    x, weights, owners = _events(paths, chosen)
    sums, squares = _per_file(owners, weights[:, 0]), _per_file(owners, weights[:, 0] ** 2)
    are_large = (sums > 0.0) & (sums**2 >= FEWEST * squares)
    if are_large.sum() < len(("one", "another")):
        return
    jobs, kept = [job for job, is_large in zip(jobs, are_large, strict=True) if is_large], are_large[owners]
    x, weights, owners = x[kept], weights[kept], (np.cumsum(are_large) - 1)[owners[kept]]
    own, names = weights[:, 0], _observables(paths[0])
    least = significant(len(jobs) * len(chosen) * (len(names) + 1))
    for at, column in zip(chosen, weights.T, strict=True):
        sums = _per_file(owners, column)
        if (pair := _other_sums(column, owners, least)) is not None:
            (one, value), (other, second) = ((jobs[k], float(sums[k])) for k in pair)
            raise StepError(
                f"after the cuts, the events of {one} give a cross section of {value:.4g} pb at benchmark "
                f"{benchmarks[at]!r}, and those of {other} one of {second:.4g} pb: {advice}"
            )
    of_benchmarks = {benchmarks[at]: weights[:, k] for k, at in enumerate(chosen) if at != chosen[0]}
    for what, values in _quantities(dict(zip(names, x.T, strict=True)), of_benchmarks, own):
        if (pair := _other_means(values, own, owners, least)) is not None:
            one, other = (jobs[k] for k in pair)
            raise StepError(
                f"the events of {one} and those of {other} have different distributions of {what}: {advice}"
            )


def _events(paths: Sequence[Path], columns: Sequence[int]) -> tuple[Array, Array, Ints]:
    """Observables, some columns of the weights and the index of the file, of all events, or of some whose weights add
    up to about the same."""
    n_bytes = sum(len(rows_of(str(path))[0]) * width(path) for path in paths)
    step = max(-(-n_bytes // LOOKED_AT), 1)
    parts = [[(x[::step], step * weights[::step, columns]) for x, weights, _ in blocks_of(path)] for path in paths]
    x, weights = (np.concatenate([block[k] for part in parts for block in part]) for k in (0, 1))
    return x, weights, np.repeat(np.arange(len(paths)), [sum(len(block[0]) for block in part) for part in parts])


def _observables(path: Path) -> list[str]:
    with layout.opened(path) as file:
        return [name.decode("ascii") for name in file["observables/names"][()].tolist()]


def _quantities(
    observables: Mapping[str, Array], weights: Mapping[str, Array], own: Array
) -> Iterator[tuple[str, Array]]:
    """What is compared, in words, with a number from -1/2 to 1/2 for each event."""
    known = {name: _centred(values) for name, values in observables.items()}
    yield from known.items()
    for benchmark, column in weights.items():
        ratio = _centred(np.divide(column, own, out=np.zeros_like(own), where=own != 0.0))
        what = f"the weights at {benchmark!r} relative to the nominal ones"
        yield what, ratio
        yield from ((f"{what} along {name}", ratio * values) for name, values in known.items())


def _centred(values: Array) -> Array:
    """The ranks of values, from -1/2 to 1/2; those that differ by rounding alone have the same."""
    mantissa, exponent = np.frexp(values)
    found = ranks(np.ldexp(np.round(mantissa * _STEPS), exponent))
    centred: Array = (found - found.mean()) / len(values)
    return centred


def _other_sums(weights: Array, owners: Ints, least: float) -> tuple[int, int] | None:
    """Two files whose weights add up to different sums; None without any, or with too few events in a file."""
    counts, sums, squares = (_per_file(owners, values) for values in (np.ones_like(weights), weights, weights**2))
    if not _are_enough(sums, squares):
        return None
    return _farthest(sums, squares, counts, least, DIFFERENT * float(sums.mean()))


def _other_means(values: Array, own: Array, owners: Ints, least: float) -> tuple[int, int] | None:
    """Two files with different means of a quantity, weighted with the nominal weights; None without any, or with too
    few events in a file."""
    counts, sums, squares = (_per_file(owners, weights) for weights in (np.ones_like(own), own, own**2))
    if not _are_enough(sums, squares):
        return None
    means = _per_file(owners, own * values) / sums
    # that of all events: the mean of a file is near an event with a large weight, whose part would seem small
    mean = float(counts @ means / counts.sum())
    variances = _per_file(owners, (own * (values - mean)) ** 2) / sums**2
    return _farthest(means, variances, counts, least, SHIFTED * float(values.std()))


def _per_file(owners: Ints, values: Array) -> Array:
    """The sums of values over the events of each file."""
    return np.asarray(np.bincount(owners, values), dtype=float)


def _are_enough(sums: Array, squares: Array) -> bool:
    return bool((sums > 0.0).all() and (sums**2 >= FEWEST * squares).all())


def _farthest(values: Array, variances: Array, counts: Array, least: float, smallest: float) -> tuple[int, int] | None:
    """The file whose value is farthest from the mean of the others, and the farthest of these; None if it is not by so
    many standard errors, and by more than the smallest difference that counts.

    :param variances: of the values. With few large weights they are too small where these are missing by chance, so
        that of all events counts if it is larger
    """
    total = counts.sum()
    variances = np.maximum(variances, (variances * counts**2).sum() / total / counts)
    others = (counts @ values - counts * values) / (total - counts)
    of_others = (counts**2 @ variances - counts**2 * variances) / (total - counts) ** 2
    away, errors = np.abs(values - others), np.sqrt(variances + of_others)
    is_other = (away > smallest) & (away > least * errors)
    if not is_other.any():
        return None
    k = int(np.argmax(np.where(is_other, away, 0.0)))
    return k, int(np.argmax(np.abs(values - values[k])))
