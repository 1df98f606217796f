"""Plans made by hand, small and of every shape, and what their jobs are expected to run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from hypothesis import strategies as st
from mmc.compiler.catalogue.reana import Reana
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan import make
from mmc.compiler.plan.model import FileInput, Flow, Input, Job, Plan, Resources, Stage, digest
from mmc.compiler.study.build import build_study

from tests.strategies import NASTY, file_studies, free_text, named_files, studies

FILE_CONTENT = b"an event file\n"
FILE_SHA256 = "5a807813e3454ee7823c5ca6b035060bd00a67f9f816fb0ea618b98aa60256de"

Needs = Callable[[str], tuple[tuple[str, str], ...]]
CONFIGURED = ("configure", "configure")
COMBINED = ("combine", "combine")


def make_plan(
    splits: int = 3,
    methods: Sequence[str] = ("sally", "alices.scan-0"),
    *,
    title: str = "A plan",
    file: str = "inputs/events.h5",
    image: str | None = None,
    note: Any = None,
    cpus: int = 2,
    memory_mib: int = 512,
    gpus: int = 0,
    reana: Reana | None = None,
    at_once: int = 0,
) -> Plan:
    """A plan with every kind of link: to one job, to each, to all, within a group and across; and an input file.

    :param at_once: gather the outputs of so many jobs before all are combined
    """

    def stage(
        name: str,
        output: str,
        jobs: Sequence[str],
        needs: Needs,
        inputs: Sequence[tuple[Any, ...]] = (),
        **more: Any,
    ) -> Stage:
        return Stage(
            name=name,
            group="learning" if name in ("train", "evaluate", "report") else "physics",
            summary=f"{name}: {title}",
            output=output,
            jobs=tuple(
                Job(job, {"note": note}, needs(job), k + 1, digest([name, job, title]), label=title)
                for k, job in enumerate(jobs)
            ),
            settings={"note": note},
            inputs=tuple(Input(*item) for item in inputs),
            image=image,
            **more,
        )

    pieces = [f"signal.sm.{k}" for k in range(splits)]
    ends = (*range(at_once, splits, at_once), splits) if at_once else ()
    part = Input("analysed", "analyse", Flow.PART, ends=ends)
    shares = part.shares(pieces) if at_once else []
    made = [("gather", str(k)) for k in range(len(shares))] or [("analyse", piece) for piece in pieces]
    setup, events = ("setup", "configure", Flow.ONE), ("events", "combine", Flow.ONE)
    stages = [
        stage("configure", "setup", ["configure"], lambda _: ()),
        stage("generate", "process", ["signal.sm", "background.sm"], lambda _: (CONFIGURED,), [setup], scattered=True),
        stage(
            "simulate",
            "events",
            pieces,
            lambda _: (CONFIGURED, ("generate", "signal.sm")),
            [setup, ("process", "generate", Flow.ALL)],
            scattered=True,
        ),
        stage(
            "analyse",
            "analysed",
            pieces,
            lambda job: (CONFIGURED, ("simulate", job)),
            [setup, ("events", "simulate", Flow.EACH)],
            scattered=True,
        ),
        *([_gather(stage, part, shares)] if at_once else []),
        stage(
            "combine",
            "events",
            ["combine"],
            lambda _: (CONFIGURED, *made),
            [setup, ("analysed", "gather" if at_once else "analyse", Flow.ALL)],
            files=(FileInput("file", PurePosixPath(file), FILE_SHA256),),
        ),
    ]
    if methods:
        stages += [
            stage(
                "train",
                "model",
                methods,
                lambda _: (COMBINED,),
                [events],
                scattered=True,
                resources=Resources(cpus, memory_mib, 600, gpus=gpus),
            ),
            stage(
                "evaluate",
                "limits",
                methods,
                lambda job: (COMBINED, ("train", job)),
                [events, ("model", "train", Flow.EACH)],
                scattered=True,
            ),
            stage(
                "report",
                "report",
                ["report"],
                lambda _: (*(("train", job) for job in methods), *(("evaluate", job) for job in methods)),
                [events, ("model", "train", Flow.ALL), ("limits", "evaluate", Flow.ALL)],
            ),
        ]
    resolved = {"mmc": "1.0", "title": title, "note": note}
    return Plan("a study", title, digest(title), tuple(stages), resolved, reana or Reana())


def _gather(stage: Callable[..., Stage], part: Input, shares: Sequence[Sequence[str]]) -> Stage:
    def needs(job: str) -> tuple[tuple[str, str], ...]:
        return tuple(("analyse", piece) for piece in shares[int(job)])

    names = [str(k) for k in range(len(shares))]
    return replace(stage("gather", "gathered", names, needs, scattered=True), inputs=(part,))


def for_reana(plan: Plan) -> Plan:
    """The plan with what REANA asks for: a pinned image for every stage, and tame names of files."""

    def tame(file: FileInput) -> FileInput:
        return replace(file, path=file.path.with_name("events.h5"))

    stages = (replace(s, image="registry.example/mmc:1.0", files=tuple(map(tame, s.files))) for s in plan.stages)
    return replace(plan, stages=tuple(stages))


def expected_commands(plan: Plan) -> dict[tuple[str, str], list[str]]:
    """The words that each job is to be run with, where outputs are called ``out/STAGE/JOB``."""
    made = {stage.name: [f"out/{stage.name}/{job.name}" for job in stage.jobs] for stage in plan.stages}
    return {
        (stage.name, job.name): _words(made, stage, k, job.name)
        for stage in plan.stages
        for k, job in enumerate(stage.jobs)
    }


def recorded(commands: Mapping[tuple[str, str], list[str]]) -> dict[tuple[str, str], list[str]]:
    """The commands as the fake step program records them, with files called by their names."""
    return {
        job: [word if word.startswith("out/") else word.rpartition("/")[2] for word in words]
        for job, words in commands.items()
    }


def _words(made: Mapping[str, list[str]], stage: Stage, index: int, job: str) -> list[str]:
    words: list[str] = []
    for token in stage.argv:
        if token.kind == "text":
            words.append(token.value)
        elif token.kind == "config":
            words.append(f"config/{stage.name}.json")
        elif token.kind == "job":
            words.append(job)
        elif token.kind == "file":
            words.append(next(str(file.path) for file in stage.files if file.name == token.value))
        elif token.kind == "out":
            words.append(f"out/{stage.name}/{job}")
        else:
            item = next(item for item in stage.inputs if item.name == token.value)
            folders = made[item.stage]
            share = item.shares(folders)[index] if item.flow is Flow.PART else ()
            each = folders[index : index + 1]
            words += {Flow.ALL: folders, Flow.EACH: each, Flow.ONE: folders[:1], Flow.PART: share}[item.flow]
    return words


slugs = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=8).filter(
    lambda text: text[0].isalpha()
)
_file_characters = st.characters(
    blacklist_categories=("Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs"), blacklist_characters="/"
)
file_names = st.one_of(
    st.sampled_from([text for text in NASTY if "/" not in text and text.isprintable()]),
    st.text(st.one_of(_file_characters, st.just(" ")), min_size=1, max_size=20),
).filter(lambda name: name not in (".", "..") and not name.startswith(".") and len(name.encode()) < 200)


@st.composite
def _hand_made(draw: st.DrawFn) -> Plan:
    """Plans with the worst text in each place where a study's own text reaches a bundle."""
    return make_plan(
        splits=draw(st.integers(1, 12)),
        at_once=draw(st.sampled_from([0, 0, 1, 4])),
        methods=draw(st.lists(slugs, max_size=3, unique_by=str.casefold)),
        title=draw(free_text),
        file="inputs/" + draw(file_names),
        image=draw(
            st.sampled_from([None, "mmc", "registry.example:5000/mmc/physics:1.0", "mmc@sha256:0123", "it's $(x)"])
        ),
        note=draw(
            st.one_of(free_text, st.lists(free_text, max_size=2), st.floats(allow_nan=False, allow_infinity=False))
        ),
    )


plans = st.one_of(
    _hand_made(),
    st.one_of(studies(), file_studies()).map(
        lambda study: make.make_plan(build_study(fill_defaults(study)), named_files(study))
    ),
)
"""Plans made by hand, which reach further than studies can, and plans of valid studies."""
