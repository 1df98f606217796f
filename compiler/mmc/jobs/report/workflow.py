"""The picture of a workflow: boxes for stages, with jobs and times, and arrows for inputs. It needs no graphviz."""

from collections.abc import Iterator, Sequence
from html import escape

from markupsafe import Markup

from mmc.compiler.catalogue.stages import GROUPS
from mmc.jobs.report.run_folder import StageRun
from mmc.tables import duration

WIDTH, HEIGHT = 190, 56
"""Size of a box, in pixels."""
GAP, GUTTER, TOP = 26, 56, 34
"""Space between boxes, between the two sub-workflows, and above the first box, in pixels."""

Place = tuple[float, float]


def workflow_picture(stages: Sequence[StageRun]) -> Markup:
    """A column of boxes for each sub-workflow, from top to bottom.

    Arrows from a stage that is also an indirect input are left out. The picture is empty if the inputs of stages are
    not known, because an older version of mmc made the bundle.
    """
    if not all(stage.group for stage in stages):
        return Markup("")
    places, titles, width = _layout(stages)
    height = max(y for _, y in places.values()) + HEIGHT + 8
    total = sum(stage.seconds for stage in stages) or 1.0
    parts = [f'<text class="group" x="{x:g}" y="18">{escape(title)}</text>' for title, x in titles]
    parts += [_arrow(places[source], places[target], same=same) for source, target, same in _arrows(stages)]
    parts += [_box(stage, *places[stage.name], total) for stage in stages]
    text = "; ".join(f"{stage.name}, {_facts(stage)}" for stage in stages)
    head = (
        f'<svg class="workflow" role="img" aria-label="{escape("The stages: " + text)}" focusable="false" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">'
        '<defs><marker id="arrow-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    return Markup(head + "".join(parts) + "</svg>")


def _layout(stages: Sequence[StageRun]) -> tuple[dict[str, Place], list[tuple[str, float]], float]:
    """The upper left corner of each box, the heading of each column with its x, and the total width."""
    places: dict[str, Place] = {}
    titles = []
    left = 4.0
    for group, title in GROUPS.items():
        in_group = [stage for stage in stages if stage.group == group]
        if not in_group:
            continue
        rows: dict[int, list[str]] = {}
        row_of: dict[str, int] = {}
        for stage in in_group:
            row_of[stage.name] = max((row_of[name] + 1 for name in stage.reads if name in row_of), default=0)
            rows.setdefault(row_of[stage.name], []).append(stage.name)
        for row, names in rows.items():
            for column, name in enumerate(names):
                places[name] = (left + column * (WIDTH + GAP), TOP + row * (HEIGHT + GAP))
        titles.append((title, left))
        columns = max(map(len, rows.values()))
        left += columns * (WIDTH + GAP) - GAP + GUTTER
    return places, titles, left - GUTTER + 4.0


def _arrows(stages: Sequence[StageRun]) -> Iterator[tuple[str, str, bool]]:
    """For each arrow its source, its target, and whether both are in the same sub-workflow."""
    groups = {stage.name: stage.group for stage in stages}
    all_inputs: dict[str, set[str]] = {}
    for stage in stages:  # a stage reads only earlier ones
        all_inputs[stage.name] = set(stage.reads).union(*(all_inputs.get(read, set()) for read in stage.reads))
        for source in dict.fromkeys(stage.reads):
            if source in groups and not any(source in all_inputs.get(read, ()) for read in stage.reads):
                yield source, stage.name, groups[source] == stage.group


def _arrow(source: Place, target: Place, *, same: bool) -> str:
    """An arrow from the lower edge of one box to the upper edge of another; through the gutter to the next column."""
    x, y = source[0] + WIDTH / 2, source[1] + HEIGHT
    to_x, to_y = target[0] + WIDTH / 2, target[1] - 1
    if same and x == to_x:
        path = f"M{x:g} {y:g}V{to_y:g}"
    elif same:
        path = f"M{x:g} {y:g}V{to_y - GAP:g}C{x:g} {to_y - GAP / 4:g} {to_x:g} {to_y - GAP:g} {to_x:g} {to_y:g}"
    else:
        edge, middle, above = source[0] + WIDTH, source[1] + HEIGHT / 2, to_y - 10
        bend = edge + GUTTER / 2
        path = f"M{edge:g} {middle:g}H{bend:g}V{above:g}H{to_x:g}V{to_y:g}"
    return f'<path class="arrow" marker-end="url(#arrow-head)" d="{path}"/>'


def _box(stage: StageRun, x: float, y: float, total: float) -> str:
    """A box with name, number of jobs and time; a bar shows the stage's fraction of the total time."""
    complete = "" if len(stage.done) == len(stage.jobs) else " unfinished"
    bar = (WIDTH - 12) * stage.seconds / total
    return (
        f'<g class="box {escape(stage.group)}{complete}"><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="6"/><text class="name" x="{x + 10:g}" y="{y + 22:g}">{escape(stage.name)}</text>'
        f'<text x="{x + 10:g}" y="{y + 41:g}">{escape(_facts(stage))}</text>'
        f'<rect class="bar" x="{x + 6:g}" y="{y + HEIGHT - 7:g}" width="{bar:.1f}" height="3" rx="1.5"/></g>'
    )


def _facts(stage: StageRun) -> str:
    n, done = len(stage.jobs), len(stage.done)
    jobs = f"{n:,} job{'s' if n != 1 else ''}" if done == n else f"{done:,} of {n:,} jobs"
    return f"{jobs} · {time_words(stage.seconds)}" if done else jobs


def time_words(seconds: float) -> str:
    """A time as text.

    >>> time_words(2.34), time_words(85.2), time_words(7300)
    ('2.3 s', '1:25', '2:01:40')
    """
    return f"{seconds:.1f} s" if seconds < 60.0 else duration(seconds)
