"""Put the events of many files into one, a block at a time."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer import event_writer, workarounds
from mmc.jobs.madminer.declarations import Content
from mmc.jobs.madminer.event_rows import block_rows, blocks_of, numbers_of, rows_of


def combine(
    contents: Sequence[Content],
    factors: Sequence[float],
    out: Path,
    labels: Sequence[int] | None = None,
    starts: Sequence[int] | None = None,
    *,
    places: event_writer.Places | None = None,
) -> None:
    """MadMiner's ``combine_and_shuffle``, in a time that is linear in the number of files.

    A sample without a systematic uncertainty gets its nominal weights at the nuisance benchmarks of that uncertainty,
    as in MadMiner's readers. All nuisance benchmarks get the parameters of one reference benchmark.

    :param factors: on the weights of each file
    :param labels: of the events of each file, see :data:`mmc.jobs.madminer.event_rows.LABELS`
    :param starts: how many events of its sample come before those of each file, for
        :data:`mmc.jobs.madminer.event_rows.NUMBERS`; None if each file has a sample of its own
    :param places: the order of the events by label and number; None for a random one
    """
    workarounds.apply()
    from madminer.models import NuisanceParameter
    from madminer.utils.interfaces import hdf5

    first = contents[0]
    nuisance = {name: pair for content in contents for name, pair in content.nuisance.items()}
    added = sorted({benchmark for _, *pair in nuisance.values() for benchmark in pair if benchmark is not None})
    names = [*first.physical, *added]
    reference = _reference(contents) if nuisance else first.physical[0]
    columns = [rows_of(str(content.path)) for content in contents]
    event_writer.copy_declarations(first.path, out)
    if nuisance:
        points = [*first.points[: first.n_physical], *np.zeros((len(added), first.points.shape[1]))]
        are_nuisance = [name in added for name in names]
        hdf5._save_benchmarks(str(out), True, names, points, are_nuisance, [name == reference for name in names])
        parameters = {name: NuisanceParameter(name, *definition) for name, definition in nuisance.items()}
        hdf5._save_nuisance_params(str(out), True, parameters)
    per_benchmark = np.zeros(1 + first.n_physical, dtype=np.int64)  # backgrounds come first
    for _, _, ids in columns:
        for start in range(0, len(ids), block_rows(8)):
            per_benchmark += np.bincount(ids[start : start + block_rows(8)] + 1, minlength=len(per_benchmark))
    hdf5._save_samples_summary(str(out), True, per_benchmark[1:], int(per_benchmark[0]))

    def blocks() -> Iterator[event_writer.Block]:
        for k, (content, factor) in enumerate(zip(contents, factors, strict=True)):
            chosen, numbers, first = content.columns(names), _numbers(content), 0
            for x, weights, ids in blocks_of(content.path):
                own = numbers[first : first + len(ids)] + (0 if starts is None else starts[k])
                known = [] if labels is None else [np.full(len(ids), labels[k]), own]
                yield x, factor * _at_reference(weights[:, chosen], names, content, reference), ids, *known
                first += len(ids)

    n_events = sum(len(ids) for _, _, ids in columns)
    n_observables = columns[0][0].shape[1]
    known = [] if labels is None else [(n_events,)] * 2
    shapes = [(n_events, n_observables), (n_events, len(names)), (n_events,), *known]
    event_writer.add_events(out, blocks, shapes, np.random, places=places)


def _numbers(content: Content) -> Any:
    """The numbers of a file's events; those of a single job are numbered as they are."""
    with suppress(StepError):
        return numbers_of(str(content.path))
    return np.arange(len(rows_of(str(content.path))[0]))


def _reference(contents: Sequence[Content]) -> str:
    """The physical benchmark with the fewest events that have weight 0 there but not everywhere; the first of equals.

    The effect of a nuisance parameter on such events cannot be stored.
    """
    n, counts = contents[0].n_physical, np.zeros(contents[0].n_physical)
    for content in contents:
        for _, weights, _ in blocks_of(content.path):
            is_zero = weights[:, :n] == 0.0
            counts += (is_zero & ~is_zero.all(axis=1, keepdims=True)).sum(axis=0)
    return contents[0].physical[int(np.argmin(counts))]


def _at_reference(weights: Any, names: Sequence[str], content: Content, reference: str) -> Any:
    """Take the weights of the nuisance benchmarks from a file's own reference benchmark to another one."""
    if content.reference in (None, reference):
        return weights
    own, other = (weights[:, names.index(name)] for name in (content.reference, reference))
    n = content.n_physical
    ratios = np.divide(
        weights[:, n:], own[:, np.newaxis], out=np.ones_like(weights[:, n:]), where=own[:, np.newaxis] != 0.0
    )
    return np.hstack([weights[:, :n], ratios * other[:, np.newaxis]])
