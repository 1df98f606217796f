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
from mmc.jobs.madminer.event_rows import rows_of, spaced_blocks, width

SHIFTED = 0.1
"""The smallest difference between the means of a quantity that counts, in standard deviations of the quantity."""
FEWEST = 100.0
"""The smallest effective number of events of a file that is compared."""
LOOKED_AT, FEWEST_ROWS = 1 << 26, 1000
"""The bytes of the events of a sample that are compared, at most, but in any case so many events of each file that has
them: of more events, those at equal distances."""

_STEPS = 1 << 14
"""Values are rounded to this part of them."""

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


def check_alike(
    files: Mapping[str, Path],
    benchmarks: Sequence[str],
    sampled: str,
    advice: str,
    *,
    background: bool,
    integration: Mapping[str, float],
) -> None:
    """Compare the files of one sample: the cross sections after cuts at all benchmarks, and the mean ranks of the
    observables, of the weights relative to those of the sampled benchmark, and of their products. Files with too few
    events for it are left out.

    :param files: by the names of their jobs; MadMiner's files, in each of which the weights add up to cross sections
    :param benchmarks: the physical benchmarks of the files
    :param sampled: the benchmark at which their events were sampled
    :param advice: the end of the message
    :param background: whether the weights at all benchmarks are the same
    :param integration: the relative errors of the cross sections from their integration, by the names of jobs
    :raises StepError: when the files differ by more than chance allows
    """
    jobs, paths = list(files), list(files.values())
    if len(jobs) < len(("one", "another")):
        return
    chosen = [benchmarks.index(sampled), *([] if background else range(len(benchmarks)))]
    x, weights, owners = _events(paths, chosen)
    sums, squares = _per_file(owners, weights[:, 0]), _per_file(owners, weights[:, 0] ** 2)
    are_large = _are_enough(sums, squares)
    if are_large.sum() < len(("one", "another")):
        return
    jobs, kept = [job for job, is_large in zip(jobs, are_large, strict=True) if is_large], are_large[owners]
    x, weights, owners = x[kept], weights[kept], (np.cumsum(are_large) - 1)[owners[kept]]
    own, names, counts = weights[:, 0], _observables(paths[0]), _per_file(owners, np.ones(len(owners)))
    least = significant(len(jobs) * len(chosen) * (len(names) + 1))
    errors = np.array([integration[job] for job in jobs])
    for at, column in zip(chosen, weights.T, strict=True):
        sums, squares = _per_file(owners, column), _per_file(owners, column**2)
        if not _are_enough(sums, squares).all():
            continue
        smallest = DIFFERENT * float(sums.mean())
        if (pair := _farthest(sums, squares, counts, least, smallest, errors=errors * sums)) is not None:
            (one, value), (other, second) = ((jobs[k], float(sums[k])) for k in pair)
            raise StepError(
                f"after the cuts, the events of {one} give a cross section of {value:.4g} pb at benchmark "
                f"{benchmarks[at]!r}, and those of {other} one of {second:.4g} pb: {advice}"
            )
    totals = _per_file(owners, own)
    of_benchmarks = {benchmarks[at]: weights[:, k] for k, at in enumerate(chosen) if at != chosen[0]}
    for what, values in _quantities(dict(zip(names, x.T, strict=True)), of_benchmarks, own):
        means = _per_file(owners, own * values) / totals
        # that of all events: the mean of a file is near an event with a large weight, whose part would seem small
        mean = float(counts @ means / counts.sum())
        variances = _per_file(owners, (own * (values - mean)) ** 2) / totals**2
        if (pair := _farthest(means, variances, counts, least, SHIFTED * float(values.std()))) is not None:
            one, other = (jobs[k] for k in pair)
            raise StepError(
                f"the events of {one} and those of {other} have different distributions of {what}: {advice}"
            )


def _events(paths: Sequence[Path], columns: Sequence[int]) -> tuple[Array, Array, Ints]:
    """Observables, some columns of the weights and the index of the file, of all events, or of some whose weights add
    up to about the same."""
    rows = max(LOOKED_AT // (width(paths[0]) * len(paths)), FEWEST_ROWS)
    parts, counts, factors = [], [], []
    for path in paths:
        n = len(rows_of(str(path))[0])
        blocks = [(x, weights[:, columns]) for x, weights, _ in spaced_blocks(path, max(-(-n // rows), 1))]
        parts += blocks
        counts.append(sum(len(x) for x, _ in blocks))
        factors.append(n / max(counts[-1], 1))
    x, weights = (np.concatenate([block[k] for block in parts]) for k in (0, 1))
    return x, weights * np.repeat(factors, counts)[:, np.newaxis], np.repeat(np.arange(len(paths)), counts)


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


def _per_file(owners: Ints, values: Array) -> Array:
    """The sums of values over the events of each file."""
    return np.asarray(np.bincount(owners, values), dtype=float)


def _are_enough(sums: Array, squares: Array) -> Bools:
    """Whether each file has enough events to be compared."""
    return np.asarray((sums > 0.0) & (sums**2 >= FEWEST * squares), dtype=bool)


def _farthest(
    values: Array, variances: Array, counts: Array, least: float, smallest: float, *, errors: Array | float = 0.0
) -> tuple[int, int] | None:
    """The file whose value is farthest from the mean of the others, and the farthest of these; None if it is not by so
    many standard errors, and by more than the smallest difference that counts.

    :param variances: of the values. With few large weights they are too small where these are missing by chance, so
        that of all events counts if it is larger
    :param errors: further ones of the values, which do not depend on the number of events
    """
    total = counts.sum()
    variances = np.maximum(variances, (variances * counts**2).sum() / total / counts) + np.square(errors)
    others = (counts @ values - counts * values) / (total - counts)
    of_others = (counts**2 @ variances - counts**2 * variances) / (total - counts) ** 2
    away = np.abs(values - others)
    is_other = (away > smallest) & (away > least * np.sqrt(variances + of_others))
    if not is_other.any():
        return None
    k = int(np.argmax(np.where(is_other, away, 0.0)))
    return k, int(np.argmax(np.abs(values - values[k])))
