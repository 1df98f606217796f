"""The stages that put the events of all jobs together, whatever their origin: gathering and combining."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from mmc.compiler.catalogue.stages import ANALYSE, COMBINE, GATHER, GATHERED_AT_ONCE
from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.plan.physics import CONFIGURED, SETUP, EventJob, kinds
from mmc.compiler.settings.combine import (
    AnalysedJob,
    CombineGroupSettings,
    CombineSettings,
    GatherSettings,
    NumberedJobs,
)
from mmc.compiler.study.model import Study


def add_combine(builder: Builder, study: Study, event_jobs: Sequence[EventJob]) -> None:
    """Add one job that combines all events, or one job for each group of samples; it reads many outputs gathered."""
    holders = _add_gather(builder, study, event_jobs) if len(event_jobs) > GATHERED_AT_ONCE else {}
    groups = {
        name: [event_job for event_job in event_jobs if event_job.sample.name in samples]
        for name, samples in ((name, frozenset(samples)) for name, samples in study.groups.items())
    }
    summary, exact = None, study.source.origin.exact
    if groups:
        summary = f"Combine and shuffle the events of each {'region' if study.regions else 'group'}"
        drafts = []
        for name, members in groups.items():
            region = name if study.regions else None
            floating = tuple(sample for sample in study.floating if any(m.sample.name == sample for m in members))
            own = CombineGroupSettings(
                jobs=_combined(members, exact=exact),
                region=region,
                floating=floating,
                compared=region is None and any(entry.independent for entry in study.combinations),
                # networks of a mixture have learned from training events, which must not be its test events
                same_partitions=study.seed if study.mixtures else None,
            )
            drafts.append(_combine_draft(study, members, own, holders, (name,)))
    else:
        every = CombineSettings(jobs=_combined(event_jobs, exact=exact))
        drafts = [_combine_draft(study, event_jobs, every, holders)]
    inputs = (SETUP, Input(ANALYSE.output, GATHER.name if holders else ANALYSE.name, Flow.ALL))
    builder.add(COMBINE.name, drafts, summary=summary, inputs=inputs, scattered=bool(groups))


def _add_gather(builder: Builder, study: Study, event_jobs: Sequence[EventJob]) -> dict[str, tuple[str, str]]:
    """Add the jobs that gather the outputs of ``analyse``, so that no command names all of them.

    :returns: for each job of ``analyse`` the job that gathers its output
    """
    drafts: list[Draft] = []
    holders: dict[str, tuple[str, str]] = {}
    analysed = Input(ANALYSE.output, ANALYSE.name, Flow.PART, ends=tuple(_ends(study, event_jobs)))
    for members in analysed.shares(event_jobs):
        runs = [list(kind) for kind in kinds(members)]
        jobs = tuple(NumberedJobs(job=kind[0].name, parts=len(kind)) for kind in runs)
        needs = tuple((ANALYSE.name, member.name) for member in members)
        label = ", ".join(dict.fromkeys(kind[0].place for kind in runs))
        first = members[0]  # a number would change with the shares of other groups
        drafts.append(Draft(first.identity, GatherSettings(jobs=jobs), needs, label, part=first.part))
        holders |= {member.name: (GATHER.name, first.name) for member in members}
    builder.add(GATHER.name, drafts, inputs=(analysed,), scattered=True)
    return holders


def _ends(study: Study, event_jobs: Sequence[EventJob]) -> Iterator[int]:
    """Where the shares of ``gather`` end: no job gathers the events of other groups than those of its first ones, so
    that a change of one group does not run the jobs of another again."""

    def groups(event_job: EventJob) -> list[str]:
        return [name for name, samples in study.groups.items() if event_job.sample.name in samples]

    end = 0
    for _, members in groupby(event_jobs, key=groups):
        start, end = end, end + len(list(members))
        yield from (*range(start + GATHERED_AT_ONCE, end, GATHERED_AT_ONCE), end)


def _combined(event_jobs: Sequence[EventJob], *, exact: bool) -> tuple[AnalysedJob, ...]:
    """The contributions of analysed jobs; ``exact`` says whether the number of its events is exact."""
    return tuple(
        AnalysedJob(
            job=kind[0].name,
            parts=len(kind),
            sample=kind[0].sample.name,
            slice=kind[0].slice,
            benchmark=kind[0].benchmark,
            n_events=kind[0].n_events if exact else None,
            k_factor=kind[0].sample.k_factor,
            background=kind[0].sample.background,
        )
        for kind in kinds(event_jobs)
    )


def _combine_draft(
    study: Study,
    event_jobs: Sequence[EventJob],
    settings: CombineSettings,
    holders: Mapping[str, tuple[str, str]],
    identity: tuple[str, ...] = (),
) -> Draft:
    """The job that combines events. All events of a file have the same weights.

    :param holders: for each job of ``analyse`` the job that gathers its output; empty if none does
    """
    systematics = dict.fromkeys(name for event_job in event_jobs for name in event_job.sample.systematics)
    events = sum(event_job.n_events or 0 for event_job in event_jobs)
    size = sizes.analysed(events, sizes.n_weights(study, systematics), sizes.n_observables(study))
    read = dict.fromkeys(holders.get(event_job.name, (ANALYSE.name, event_job.name)) for event_job in event_jobs)
    needs = (CONFIGURED, *read)
    samples = ", ".join(dict.fromkeys(event_job.sample.name for event_job in event_jobs))
    return Draft(identity, settings, needs, samples if study.groups else "", events, size=size if events else 0)
