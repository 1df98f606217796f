"""Views of a plan for people and programs: text, JSON, Mermaid and Graphviz's DOT."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from textwrap import wrap
from typing import Any

from mmc.compiler.catalogue.stages import GROUPS, SAMPLE, VARIANTS
from mmc.compiler.plan.memory import memory
from mmc.compiler.plan.model import Flow, Input, Job, Plan, Stage
from mmc.tables import table
from mmc.version import __version__

LINES_PER_STAGE = 20
"""A stage with more jobs lists the parts of a sample in one line, and has at most this many lines."""
FILES_PER_STAGE = 4
"""For a stage that reads more files, only their number is shown."""
NOTED_MEMORY = 2_000_000_000
"""The memory of a job, in bytes, from which on the text view mentions it."""
BASIS_POINTS = 40
"""A morphing basis of more benchmarks lists only this many in the text view."""

BasisView = Mapping[str, Any] | str | None
"""The morphing basis of a plan: ``points``, ``condition_number`` and ``largest_squared_weight``, as
:meth:`mmc.jobs.madminer.morphing_basis.Basis.summary` gives them; or the reason why it is not known; or None without
morphing."""


def to_text(plan: Plan, basis: BasisView = None) -> str:
    """Stages with numbers of jobs, events, disk and memory; the morphing basis; the jobs of scattered stages."""
    lines = [_title(plan)]
    disk = sum(_total_size(stage) for stage in plan.stages)
    total = f"{_count(plan.n_jobs, 'job')} in {_count(len(plan.stages), 'stage')}"
    if plan.variants:
        of_all = sum(len(stage.jobs) for stage in plan.stages if stage.name == VARIANTS.name)
        own = plan.n_jobs - plan.n_shared - of_all
        shared = f"{plan.n_shared:,} of several variants, {own:,} of one{', 1 for their table' if of_all else ''}"
        total = f"{_count(len(plan.variants), 'variant')}: {total}, {shared}"
    lines += [f"{total}, about {amount(disk)} of disk" if disk else total, *_memory_lines(plan), ""]
    rows = [("stage", "jobs", "events", "disk", "reads", "what it does")]
    rows += [(s.name, _width(s), _events(s), _disk(s), _reads(s), s.summary) for s in plan.stages]
    lines += table(rows, right=(1, 2, 3))
    if plan.variants:
        lines += ["", *_variant_lines(plan.variants)]
    if basis is not None:
        lines += ["", *_basis_lines(basis)]
    for stage in plan.stages:
        if stage.scattered:
            lines += ["", f"{stage.name}: {_count(len(stage.jobs), 'job')}{_asks_for(stage)}"]
            lines += [f"  {line}" for line in _job_lines(stage)]
    return "\n".join(lines) + "\n"


def to_json(plan: Plan, basis: BasisView = None) -> str:
    """The content of the other views, and the seeds and fingerprints of jobs, as one JSON object."""
    view: dict[str, Any] = {
        "mmc": __version__,
        "study": plan.study,
        "title": plan.title,
        "digest": plan.digest,
        "n_jobs": plan.n_jobs,
        **({"variants": plan.variants, "n_shared": plan.n_shared} if plan.variants else {}),
        "morphing_basis": {"unknown": basis} if isinstance(basis, str) else basis,
    }
    needed = memory(plan)
    stages = ",\n".join(_ending_with(_stage_head(stage), "jobs", _job_rows(stage, needed)) for stage in plan.stages)
    return _ending_with(view, "stages", stages) + "\n"


def _ending_with(entries: Mapping[str, Any], last: str, items: str) -> str:
    """A JSON object with a list, of which the text of all items is known, as its last entry."""
    head = json.dumps(entries, indent=2, ensure_ascii=False).removesuffix("\n}")
    return f'{head},\n  "{last}": [\n{items}\n  ]\n}}'


def _stage_head(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "group": stage.group,
        "summary": stage.summary,
        "output": stage.output,
        "scattered": stage.scattered,
        "inputs": [{"name": i.name, "stage": i.stage, "flow": i.flow.value} for i in stage.inputs],
        "files": [{"name": f.name, "path": str(f.path), "sha256": f.sha256} for f in stage.files],
        "image": stage.image,
        "resources": {
            "cpus": stage.resources.cpus,
            "gpus": stage.resources.gpus,
            "memory_mib": stage.resources.memory_mib,
            "time_s": stage.resources.time_s,
        },
        "events": _total_events(stage),
        "bytes": _total_size(stage),
    }


def _job_rows(stage: Stage, needed: Mapping[tuple[str, str], int]) -> str:
    """One line for each job: as objects with indents, 100,000 jobs would take half a gigabyte of memory."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    return ",\n".join(
        encode(
            {
                "name": job.name,
                "label": job.label,
                "events": job.events,
                "bytes": job.size,
                "memory_bytes": needed.get((stage.name, job.name), 0),
                "seed": job.seed,
                "fingerprint": job.fingerprint,
                "needs": [{"stage": name, "job": upstream} for name, upstream in job.needs],
            }
        )
        for job in stage.jobs
    )


def _memory_lines(plan: Plan) -> list[str]:
    """A note on the largest job of each stage, if memory matters: jobs run side by side."""
    largest: dict[str, int] = {}
    for (stage, _), n_bytes in memory(plan).items():
        largest[stage] = max(n_bytes, largest.get(stage, 0))
    if max(largest.values(), default=0) < NOTED_MEMORY:
        return []
    shown = sorted(largest.items(), key=lambda item: -item[1])
    jobs = ", ".join(f"{amount(n_bytes)} in {stage}" for stage, n_bytes in shown if n_bytes >= NOTED_MEMORY)
    return [f"a job needs about this much memory: {jobs}"]


def _basis_lines(basis: Mapping[str, Any] | str) -> Iterator[str]:
    if isinstance(basis, str):
        yield f"morphing basis: {basis}"
        return
    points: Mapping[str, Mapping[str, float]] = basis["points"]
    yield (
        f"morphing basis: {_count(len(points), 'benchmark')}, condition number {basis['condition_number']:.3g}, "
        f"largest squared weight {basis['largest_squared_weight']:.3g} in the parameters' ranges"
    )
    shown = list(points.items())[:BASIS_POINTS]
    header = ("benchmark", *next(iter(points.values())))
    rows = [header, *((name, *(f"{value:.6g}" for value in point.values())) for name, point in shown)]
    yield from (f"  {line}" for line in table(rows, right=range(1, len(header))))
    if len(points) > BASIS_POINTS:
        yield f"  … and {len(points) - BASIS_POINTS:,} more (--format json lists all)"


def _variant_lines(variants: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The variants with what they set."""
    shown = list(variants.items())[:LINES_PER_STAGE]
    rows = [(name, *(json.dumps(value, ensure_ascii=False).strip('"') for value in v.values())) for name, v in shown]
    yield from table([("variant", *next(iter(variants.values()))), *rows])
    if len(variants) > LINES_PER_STAGE:
        yield f"… and {len(variants) - LINES_PER_STAGE:,} more (--format json lists all)"


def to_mermaid(plan: Plan) -> str:
    """A Mermaid flowchart, which GitHub and GitLab draw in Markdown pages."""
    lines = ["flowchart LR"]
    for group, title in GROUPS.items():
        stages = plan.group(group)
        if stages:
            lines.append(f"  subgraph {group}[{title}]")
            lines += [f"    {stage.name}{_mermaid_node(stage)}" for stage in stages]
            lines.append("  end")
    lines += [f"  {link.stage} -->|{link.name}| {stage.name}" for stage, link in _links(plan)]
    return "\n".join(lines) + "\n"


def to_dot(plan: Plan) -> str:
    """A graph for Graphviz's ``dot``: one box per stage, two frames for the two sub-workflows."""
    lines = [
        "digraph plan {",
        f"  graph [label={_quoted(_title(plan))}, {_GRAPH_STYLE}]",
        f"  node [{_NODE_STYLE}]",
        f"  edge [{_EDGE_STYLE}]",
    ]
    for group, title in GROUPS.items():
        stages = plan.group(group)
        if stages:
            frame, _ = _COLOURS[group]
            lines += [
                f"  subgraph cluster_{group} {{",
                f'    label=<<b>{title}</b>>; labeljust=l; fontsize=13; style="rounded,filled";',
                f'    color="{frame}"; fillcolor="{frame}"; fontcolor="#334155"; margin=16;',
                *(f"    {_dot_node(stage)}" for stage in stages),
                "  }",
            ]
    lines += _dot_edges(plan)
    return "\n".join([*lines, "}"]) + "\n"


def _title(plan: Plan) -> str:
    return " ".join(f"{plan.study}: {plan.title}".split()) if plan.title else plan.study


_FONT = 'fontname="Helvetica,Arial,sans-serif"'
_GRAPH_STYLE = (
    f'{_FONT}, rankdir=TB, labelloc=t, fontsize=15, fontcolor="#0f172a", bgcolor="white", '
    "nodesep=0.3, ranksep=0.32, pad=0.2"
)
_NODE_STYLE = (
    f'{_FONT}, shape=box, style="rounded,filled", fillcolor="white", fontsize=11, margin="0.16,0.06", penwidth=1.3'
)
_SHORTCUT = 'color="#cbd5e1", arrowsize=0.5'
_EDGE_STYLE = f'{_FONT}, fontsize=10, fontcolor="#64748b", color="#64748b", arrowsize=0.7'
_COLOURS = {"physics": ("#e0f2fe", "#0284c7"), "learning": ("#fef3c7", "#d97706")}
"""For each sub-workflow, the colours of its frame and of the edges of its boxes."""


def _dot_node(stage: Stage) -> str:
    _, colour = _COLOURS[stage.group]
    summary = "<br/>".join(escape(line) for line in _balanced(stage.summary, 52))
    facts = f' <font color="{colour}" point-size="10"> {_facts(stage)}</font>' if _facts(stage) else ""
    label = f'<b>{stage.name}</b>{facts}<br/><font color="#475569" point-size="10">{summary}</font>'
    return f'{stage.name} [color="{colour}", peripheries={2 if stage.scattered else 1}, label=<{label}>]'


def _balanced(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters and of about the same length."""
    lines = -(-len(text) // width)
    return wrap(text, min(width, len(text) // lines + 8))


def _facts(stage: Stage) -> str:
    jobs = [_count(len(stage.jobs), "job")] if stage.scattered else []
    events = [f"{_events(stage)} {'samples' if stage.name == SAMPLE.name else 'events'}"] if _events(stage) else []
    return ", ".join(jobs + events)


def _dot_edges(plan: Plan) -> Iterator[str]:
    """The links. A link that only shortens a longer path is pale and has no label, so that the main path stands out."""
    ahead = _reachable(plan)
    for stage, link in _links(plan):
        detour = any(other.stage != link.stage and other.stage in ahead[link.stage] for other in stage.inputs)
        style = _SHORTCUT if detour else f'label=" {link.name} "'
        yield f"  {link.stage} -> {stage.name} [{style}]"


def _reachable(plan: Plan) -> dict[str, set[str]]:
    """For each stage, the names of the stages that read its output, directly or through others."""
    ahead: dict[str, set[str]] = {stage.name: set() for stage in plan.stages}
    for stage in reversed(plan.stages):
        for link in stage.inputs:
            ahead[link.stage] |= {stage.name} | ahead[stage.name]
    return ahead


def _mermaid_node(stage: Stage) -> str:
    facts = [stage.summary]
    if stage.scattered:
        facts.append(_count(len(stage.jobs), "job"))
    text = "<br/>".join((f"<b>{stage.name}</b>", *facts))
    return f'[["{text}"]]' if stage.scattered else f'["{text}"]'


def _links(plan: Plan) -> Iterator[tuple[Stage, Input]]:
    for stage in plan.stages:
        for link in stage.inputs:
            yield stage, link


def _quoted(text: str) -> str:
    """A text as a DOT string, wrapped, with special characters escaped."""
    escaped = (line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in wrap(text, 90))
    return '"' + "\\n".join(escaped) + '"'


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _width(stage: Stage) -> str:
    return f"{len(stage.jobs):,}"


def _total_events(stage: Stage) -> int:
    return sum(job.events for job in stage.jobs)


def _events(stage: Stage) -> str:
    total = _total_events(stage)
    return f"{total:,}" if total else ""


def _total_size(stage: Stage) -> int:
    return sum(job.size for job in stage.jobs)


def _disk(stage: Stage) -> str:
    total = _total_size(stage)
    return amount(total) if total else ""


def amount(n_bytes: int) -> str:
    """A number of bytes for people, with two digits: an estimate is not more precise.

    >>> amount(950), amount(12_340_000), amount(999_999_999)
    ('1.0 kB', '12 MB', '1.0 GB')
    """
    value = float(n_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{max(value, 1.0):,.{0 if value >= 9.95 else 1}f} {unit}"


def _reads(stage: Stage) -> str:
    marks = {Flow.ONE: "", Flow.EACH: " (one each)", Flow.ALL: " (all)", Flow.PART: " (some each)"}
    links = [f"{link.stage}{' (some each)' if link.named else marks[link.flow]}" for link in stage.inputs]
    files = [file.path.name for file in stage.files]
    return ", ".join(dict.fromkeys(links + (files if len(files) <= FILES_PER_STAGE else [f"{len(files):,} files"])))


def _asks_for(stage: Stage) -> str:
    asked = stage.resources
    parts = [_count(asked.cpus, "core")]
    if asked.gpus:
        parts.append(_count(asked.gpus, "GPU"))
    if asked.memory_mib is not None:
        parts.append(f"{asked.memory_mib:,} MiB")
    if asked.time_s is not None:
        parts.append(f"{asked.time_s:,} s")
    if asked.retries:
        parts.append("1 retry" if asked.retries == 1 else f"{asked.retries} retries")
    return f", each {', '.join(parts)}"


def _job_lines(stage: Stage) -> Iterator[str]:
    if all(job.label == job.name for job in stage.jobs):
        yield from wrap(", ".join(job.name for job in stage.jobs), 110)
        return
    if len(stage.jobs) <= LINES_PER_STAGE:
        yield from table([(job.name, job.label) for job in stage.jobs])
        return
    rows = [_row(list(jobs)) for _, jobs in groupby(stage.jobs, key=_of_parts)]
    yield from table(rows[:LINES_PER_STAGE])
    if len(rows) > LINES_PER_STAGE:
        yield f"… and {len(rows) - LINES_PER_STAGE:,} more (--format json lists all)"


def _of_parts(job: Job) -> str:
    """The common name of the jobs of one sample and benchmark: their names without the number at the end."""
    stem, _, part = job.name.rpartition(".")
    return f"{stem}.*" if part.isdigit() else job.name


def _row(jobs: Sequence[Job]) -> tuple[str, str]:
    """A row for a job, or for all parts of a sample together."""
    if len(jobs) == 1:
        return jobs[0].name, jobs[0].label
    events, size = sum(job.events for job in jobs), sum(job.size for job in jobs)
    facts = [_count(len(jobs), "job")]
    facts += [_count(events, "event")] if events else []
    facts += [amount(size)] if size else []
    return _of_parts(jobs[0]), ", ".join(facts)
