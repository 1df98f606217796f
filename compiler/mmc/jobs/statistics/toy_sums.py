"""The events of toys, and the sums of their log ratios at all points of the grid.

A toy has some of very many single events, so only those that it has are drawn. Where an event has the weight of one
simulated event, nature's mean for it is exponentially distributed around m, and the number of times k that a toy has it
follows a geometric distribution, P(k) ∝ (m / (1 + m))^k. This is the sum of a Poisson number of groups, on average
ln(1 + m), whose sizes follow the logarithmic distribution of m / (1 + m) (M. H. Quenouille, Biometrics 5 (1949) 162):
the groups of all toys are drawn together, and each is in a random toy.

The single events of a sample also fluctuate together: the number n_k of those that were generated is fixed, and they
share the error ε_k of the integration. So their number in a toy, with the mean M_k, is to have the variance
M_k + Σ_{i in k} m_i² + (ε_k² - 1/n_k) M_k². Its fluctuation is scaled to that, as if every event more had the mean log
ratio of the sample.

The log ratios of an event at all points are a smooth function of θ, which a few orthonormal directions Q describe: its
principal components over the events. For the numbers of events k_i with means m_i and log ratios l_i (all points), the
sum over a toy is

    Σ_i k_i l_i ≈ Σ_i m_i l_i + Q Σ_i (k_i - m_i) Q^T l_i,

with an exact mean. The variance of what is left out, Σ_i Var(k_i) ((1 - Q Q^T) l_i)², is known: directions are added
until it is at most TOLERANCE² at every point of the grid, for the toys at all points. -2 ln λ is the difference of two
points, so its error is at most 4 TOLERANCE = 0.001 (a standard deviation), where its own spread is about 2. With more
than 60,000 events the single precision of networks matters more; then the error is at most 4 PRECISION √N.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array

from mmc.jobs.madminer.event_file import Array

TOLERANCE, PRECISION = 2.5e-4, 1e-6
"""The largest error of ln L of a toy, and what is left of it for each event at least (standard deviations)."""
ENTRIES = 2_000_000
"""The largest number of pairs of a cell and a toy in memory at once."""
CELLS, TABLE = 512, 2_000_000
"""The number of cells of which principal components are found at once, and that of their log ratios."""


@dataclass(frozen=True)
class Contents:
    """The numbers of events in some cells that are expected at a point, with the error of the simulation.

    Their covariance is V of :mod:`mmc.jobs.statistics.simulated`, Σ_{i in b} w_i² δ_bc + Σ_k S_bk C_k S_ck.
    """

    means: Array
    """Shape (cells,); cells of negative means stay empty."""
    squares: Array
    """The sums of squares of the weights, shape (cells,)."""
    of_samples: Array
    """S, the events of each sample, shape (cells, samples); without samples, the cells are independent."""
    common: Array
    """C = ε_k² - 1/n_k, shape (samples,)."""
    members: csr_array | None = None
    """For single events, each of which has the weight of one simulated event: 1 for its sample, else 0, shape (cells,
    samples). They are drawn as if they were independent, and :meth:`ToySums.correlate` follows."""

    @classmethod
    def joined(cls, contents: "Sequence[Contents]", columns: Sequence[npt.NDArray[np.intp]]) -> "Contents":
        """The bins of several likelihoods, which have samples in common.

        :param columns: which of all samples those of each likelihood are
        """
        if len(contents) == 1:
            return contents[0]
        means, squares = (np.concatenate([getattr(own, name) for own in contents]) for name in ("means", "squares"))
        n_samples = max(1 + int(where.max(initial=-1)) for where in columns)
        of_samples, common = [np.zeros((len(own.means), n_samples)) for own in contents], np.zeros(n_samples)
        for own, where, wide in zip(contents, columns, of_samples, strict=True):
            wide[:, where], common[where] = own.of_samples, own.common
        return cls(means, squares, np.concatenate(of_samples), common)

    def times(self, factors: Array) -> "Contents":
        """The same with factors on the cells."""
        of_samples = self.of_samples * factors[:, np.newaxis]
        return replace(self, means=self.means * factors, squares=self.squares * factors**2, of_samples=of_samples)

    @property
    def drawn(self) -> float:
        """The mean number of events of toys, which have none in cells of negative means."""
        return float(np.maximum(self.means, 0.0).sum())

    def covariance(self, starts: Sequence[int]) -> Array:
        """The covariance of the numbers of events of toys in groups of cells, shape (groups, groups).

        :param starts: the first cell of each group
        """
        filled = self.means > 0.0
        found = np.diag(np.add.reduceat(np.where(filled, self.means + self.squares, 0.0), starts))
        if self.common.size:
            along, values = self._principal
            rows = np.zeros((len(filled), len(values)))
            rows[filled] = np.sqrt(self.squares[filled])[:, np.newaxis] * along
            rows = np.add.reduceat(rows, starts)
            found += (rows * values) @ rows.T
        return np.asarray(found)

    @property
    def variances(self) -> Array:
        """Numbers v with which Σ_b v_b a_b² is at least the variance of Σ_b a_b k_b of toys, for any numbers a."""
        of_samples = np.abs(self.of_samples)
        return np.asarray(
            np.maximum(self.means, 0.0) + self.squares + of_samples @ (of_samples.sum(axis=0) * np.abs(self.common))
        )

    def draw(self, toys: int, random: np.random.Generator) -> Sequence[Array | csc_array]:
        """The events in each cell of each toy, as a sum of matrices of shape (toys, cells)."""
        if self.members is not None:
            return draw_single(np.maximum(self.means, 0.0), toys, random)
        return [self.draw_bins(toys, random)]

    def draw_bins(self, toys: int, random: np.random.Generator) -> Array:
        """The events in each bin of each toy, shape (toys, bins)."""
        filled, counts = self.means > 0.0, np.zeros((toys, len(self.means)))
        means, squares = self.means[filled], self.squares[filled]
        nature = random.gamma(np.square(means) / squares, squares / means, (toys, len(means)))
        if self.common.size:
            nature += correlated(nature - means, squares, *self._principal)
        counts[:, filled] = random.poisson(np.maximum(nature, 0.0))
        return counts

    @cached_property
    def _principal(self) -> tuple[Array, Array]:
        """The eigenvectors (bins, directions) and eigenvalues of W C W^T, with W_bk = S_bk / √v_b, of the filled bins.

        Eigenvalues below -1 are -1: a variance is not negative.
        """
        filled = self.means > 0.0
        q, r = np.linalg.qr(self.of_samples[filled] / np.sqrt(self.squares[filled])[:, np.newaxis])
        values, vectors = np.linalg.eigh((r * self.common) @ r.T)
        return q @ vectors, np.maximum(values, -1.0)


@dataclass(frozen=True)
class EventSamples:
    """The samples of single events."""

    labels: npt.NDArray[np.intp]
    """The sample of each event, shape (events,)."""
    common: Array
    """C as in :class:`Contents`, shape (samples,)."""

    def members(self, start: int, n: int) -> csr_array:
        """:attr:`Contents.members` of ``n`` events from ``start`` on."""
        places = self.labels[start : start + n], np.arange(n + 1)
        return csr_array((np.ones(n), *places), shape=(n, len(self.common)))


def correlated(changes: Array, variances: Array, along: Array, values: Array) -> Array:
    """What is added to independent changes of bins for the covariance of :class:`Contents`, shape (toys, bins).

    The changes in units of their errors are multiplied by the root of the matrix 1 + W C W^T: it changes them along its
    few eigenvectors alone.

    :param changes: shape (toys, bins)
    :param variances: v, those of the changes, shape (bins,)
    :param along: the eigenvectors of W C W^T, shape (bins, directions)
    :param values: its eigenvalues, shape (directions,)
    """
    errors = np.sqrt(variances)
    return np.asarray((((changes / errors) @ along) * (np.sqrt(1.0 + values) - 1.0)) @ along.T * errors)


class ToySums:
    """Sums over the events of toys at several points (*probes*), to which cells are added in blocks."""

    def __init__(self, n_points: int, n_probes: int, n_toys: int, n_events: float, n_samples: int = 0) -> None:
        """
        :param n_points: the number of points of the sums
        :param n_toys: at each probe
        :param n_events: the largest mean number of events in a toy
        :param n_samples: the number of samples of single events
        """
        self.sizes = np.zeros((n_probes, n_toys))
        """The number of events of each toy."""
        self._allowed = max(TOLERANCE**2, PRECISION**2 * n_events)
        self._directions = np.zeros((n_points, 0))
        self._means, self._along = np.zeros((n_probes, n_points)), np.zeros((n_probes, n_toys, 0), dtype=np.float32)
        self._of_samples = np.zeros((n_probes, n_toys, n_samples), dtype=np.float32)
        self._moments, self._along_samples = np.zeros((2, n_probes, n_samples)), np.zeros((n_probes, n_samples, 0))

    @property
    def n_toys(self) -> int:
        """The number of toys at each probe."""
        return self.sizes.shape[1]

    def extend(self, logs: Array, contents: Sequence[Contents], share: float) -> Array:
        """Prepare for the events of some cells: their log ratios along all directions, shape (cells, directions).

        :param logs: log ratios, shape (points, cells)
        :param contents: of the cells at the probes
        :param share: the part of the cells in all cells
        """
        variances = np.max([content.variances for content in contents], axis=0)
        self._directions = extended(self._directions, logs, variances, share * self._allowed)
        new = self._directions.shape[1] - self._along.shape[2]
        if new:
            wider = ((0, 0), (0, 0), (0, new))
            self._along, self._along_samples = np.pad(self._along, wider), np.pad(self._along_samples, wider)
        means = np.maximum([content.means for content in contents], 0.0)
        self._means += means @ logs.T
        along = np.ascontiguousarray((self._directions.T @ logs).T)
        members = contents[0].members
        if members is not None:
            self._moments += np.stack([means @ members, np.square(means) @ members])
            self._along_samples += np.stack([members.T @ (own[:, np.newaxis] * along) for own in means])
        return along

    def add(
        self, probe: int, toys: slice, counts: Sequence[Array | csc_array], along: Array, contents: Contents
    ) -> None:
        """Add events of some cells to some toys.

        :param counts: a sum of matrices of shape (toys, cells)
        :param along: of these cells, from :meth:`extend`
        :param contents: of these cells at the probe
        """
        self.sizes[probe, toys] += sum(part.sum(axis=1) for part in counts)
        self._along[probe, toys] += sum(part @ along for part in counts) - np.maximum(contents.means, 0.0) @ along
        if contents.members is not None:
            self._of_samples[probe, toys] += sum((part @ contents.members).toarray() for part in counts)

    def correlate(self, common: Array) -> Array:
        """Let the single events of each sample fluctuate together, after all have been added.

        :param common: C of the samples, shape (samples,)
        :return: how much larger the variances of the numbers of events are then, shape (probes,)
        """
        means, squares = self._moments
        independent, together = means + squares, means + np.maximum(squares + common * np.square(means), 0.0)
        factors = np.sqrt(np.divide(together, independent, out=np.ones_like(means), where=means > 0.0))
        for k, (mean, factor) in enumerate(zip(means, factors, strict=True)):
            more = np.maximum(mean + factor * (self._of_samples[k] - mean), 0.0) - self._of_samples[k]
            self.sizes[k] += more.sum(axis=1)
            self._along[k] += more @ (self._along_samples[k] / np.where(mean > 0.0, mean, 1.0)[:, np.newaxis])
        return np.asarray((together - independent).sum(axis=1))

    def at(self, probe: int) -> Array:
        """The sums of the log ratios over the toys of a probe, shape (points, toys)."""
        fluctuations = self._directions @ self._along[probe].T.astype(float)
        return np.asarray(self._means[probe][:, np.newaxis] + fluctuations)


def add_events(
    sums: Sequence[ToySums],
    logs: Sequence[Array],
    contents: Sequence[Sequence[Contents]],
    share: float,
    random: np.random.Generator,
    *,
    columns: Sequence[npt.NDArray[np.intp]] = (),
) -> Array:
    """Add the events of some cells, which are drawn together, to the toys of several likelihoods.

    :param logs: log ratios, shape (points, cells) for each likelihood
    :param contents: of the cells of each likelihood at the probes
    :param share: the part of the cells in all cells
    :param columns: the samples of each of several likelihoods, as in :meth:`Contents.joined`
    :return: the covariance of their numbers of events at each probe, shape (probes, likelihoods, likelihoods)
    """
    each = [own.extend(table, those, share) for own, table, those in zip(sums, logs, contents, strict=True)]
    ends = np.cumsum([len(along) for along in each])
    found, starts = [], [0, *ends[:-1]]
    for k, together in enumerate(zip(*contents, strict=True)):
        joined = Contents.joined(together, columns)
        found.append(joined.covariance(starts))
        for toys in _slices(sums[0].n_toys, ENTRIES // int(ends[-1])):
            counts = joined.draw(toys.stop - toys.start, random)
            for own, along, content, start, end in zip(sums, each, together, starts, ends, strict=True):
                own.add(k, toys, [part[:, start:end] for part in counts], along, content)
    return np.array(found)


def extended(directions: Array, logs: Array, variances: Array, allowed: float) -> Array:
    """Directions of the space of all points that describe the log ratios of some cells, shape (points, directions).

    They are orthonormal. What they leave out of the sum over independent numbers of events has at most the variance
    ``allowed`` at each point.

    :param directions: those so far, to which more are added
    :param logs: shape (points, cells)
    :param variances: of the numbers of events, shape (cells,)
    """
    for some in _slices(len(variances), min(CELLS, TABLE // len(logs))):
        scaled = logs[:, some] * np.sqrt(variances[some])
        left = scaled - directions @ (directions.T @ scaled)
        most = allowed * (some.stop - some.start) / len(variances)
        if np.square(left).sum(axis=1).max() <= most:
            continue
        components = left @ np.linalg.eigh(left.T @ left)[1]  # the largest is the last
        n_left_out = np.searchsorted(np.cumsum(np.square(components), axis=1).max(axis=0), most, side="right")
        more = components[:, n_left_out:] / np.linalg.norm(components[:, n_left_out:], axis=0)
        directions = np.hstack([directions, np.linalg.qr(more - directions @ (directions.T @ more))[0]])
    return directions


def draw_single(means: Array, toys: int, random: np.random.Generator) -> tuple[csc_array, csc_array]:
    """How often each of some single events is in each toy, as a sum of two matrices of shape (toys, events).

    The sizes of groups are drawn with Kemp's method LK (A. W. Kemp, J. R. Stat. Soc. C 30 (1981) 249), in which a group
    has one event except with the probability q = m / (1 + m), in which case its size is still to be found.

    :param means: not negative, shape (events,)
    """
    q, groups = means / (1.0 + means), toys * np.log1p(means)
    larger = random.poisson(q * groups)
    own, (u, v) = np.repeat(q, larger), 1.0 - random.random((2, larger.sum()))
    sizes = np.floor(1.0 + np.log(own * v) / np.log(-np.expm1(u * np.log1p(-own))))
    return _placed(random.poisson((1.0 - q) * groups), None, toys, random), _placed(larger, sizes, toys, random)


def _placed(groups: npt.NDArray[np.int64], sizes: Array | None, toys: int, random: np.random.Generator) -> csc_array:
    """Groups of each event in random toys, shape (toys, events); several of one event in one toy add up.

    :param sizes: of all groups; by default 1
    """
    ends = np.concatenate([[0], np.cumsum(groups)]).astype(np.int32)
    values = np.ones(ends[-1], dtype=np.float32) if sizes is None else sizes.astype(np.float32)
    return csc_array((values, random.integers(toys, size=ends[-1], dtype=np.int32), ends), shape=(toys, len(groups)))


def _slices(n: int, size: int) -> Iterator[slice]:
    size = max(1, size)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
