"""Let MadGraph make a process once for all jobs that simulate it, and pack it as an archive."""

import gzip
import logging
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmc.compiler.catalogue.stages import GENERATE
from mmc.compiler.inputs import madgraph_settings
from mmc.compiler.inputs.cards import asks_for_corrections
from mmc.compiler.inputs.installations import Installation, find_madgraph
from mmc.compiler.inputs.madgraph_settings import is_model, process_refusal
from mmc.compiler.inputs.refusals import untrusted
from mmc.compiler.settings.generation import MadGraphGenerateSettings
from mmc.errors import StepError
from mmc.jobs.formats.gzipped import writing
from mmc.jobs.generators import madgraph
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.matrix_elements.sources import model_folder

log = logging.getLogger(__name__)

ARCHIVE = "process.tar.gz"
PARAM_CARD = "Cards/param_card_default.dat"
RUN_CARD = "Cards/run_card_default.dat"

MODELS = "models_of_study"
"""The folder with the model that travels with the study: of a job, and in the archive of the process."""
_OF_STUDY = "mmc_"
_LEFT_OUT = ("madevent.tar.gz", "index.html", "Cards/me5_configuration.txt", "Cards/amcatnlo_configuration.txt")
"""Left out of the archive: a copy of the process, and files with times and paths. Simulation jobs rewrite the
configuration."""
_PLAIN = re.compile(r"[\w./+@%=,-]+")
"""Paths that MadGraph's scripts can handle."""
_MTIME = 946_684_800
"""All files get a time in the year 2000: the archive is the same each time, and make sees no outdated file."""


def run(job: StepJob) -> None:
    """Write ``process.tar.gz`` and ``process.json``.

    :raises StepError: when MadGraph does not know the model, or rejects a line
    """
    settings = job.read(MadGraphGenerateSettings)
    found = find_madgraph(settings.installation)
    job.programs["MadGraph"] = found.version
    with work_folder(job.out) as work:
        model = _model(job, settings, found, work)
        lines = madgraph.run(found, work, _commands(settings, model), models=work / MODELS)
        process = work / madgraph.PROCESS
        complaint = madgraph.complaint(lines)
        if complaint is not None or not all((process / card).is_file() for card in (PARAM_CARD, RUN_CARD)):
            raise StepError(f"MadGraph rejects the process of {settings.sample}{madgraph.hint(lines)}")
        if (work / MODELS).is_dir():  # also for the jobs that simulate: their reweighting loads the model
            shutil.copytree(work / MODELS, process / MODELS, ignore=shutil.ignore_patterns("*.pkl", "*.log"))
        pack(process, job.out / ARCHIVE)
        log.info(
            "process of %s: %d folders of matrix elements", settings.sample, len(list(process.glob("SubProcesses/P*")))
        )
    write_json(
        job.out / GENERATE.record,
        {
            "sample": settings.sample,
            "process": list(settings.process),
            "definitions": dict(settings.definitions),
            "model": settings.model,
            "order": settings.order,
            "madgraph": found.version,
            "param_card": PARAM_CARD,
        },
    )


def _model(job: StepJob, settings: MadGraphGenerateSettings, found: Installation, work: Path) -> str:
    """The name by which MadGraph imports the model. A model of the study is put into a folder of this job, under a
    name that no installed model has.

    :raises StepError: when the model is not installed, or not trusted; when its restriction is not a card
    """
    if settings.model_file is None:
        _check_model(found, settings.model, settings.sample)
        return settings.model
    if settings.model_file not in settings.trust:
        raise StepError("the model is Python code that the study does not trust: add it to `trust`")
    name, _, restriction = f"{_OF_STUDY}{settings.model}".partition("-")
    folder = work / MODELS / name
    with model_folder(job.one(settings.model_file)) as source:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.pkl"))
    if settings.restriction_file is not None:
        restriction = _OF_STUDY.rstrip("_")
        text = job.one(settings.restriction_file).read_text(encoding="utf-8", errors="replace")
        refused = untrusted(madgraph_settings.param_card_refusals(text), settings.trust, settings.restriction_file)
        if refused is not None:
            raise StepError(f"line {refused.line} of the restriction: {refused.reason}")
        (folder / f"restrict_{restriction}.dat").write_text(text, encoding="utf-8")
    return f"{name}-{restriction}" if restriction else name


def _commands(settings: MadGraphGenerateSettings, model: str) -> list[str]:
    """MadGraph's commands.

    :raises StepError: when a line is not a process
    """
    sample, lines = settings.sample, settings.process
    for text in (*lines, *settings.definitions, *settings.definitions.values()):
        if (found := process_refusal(text)) is not None:
            raise StepError(f"a process line of {sample} contains {found!r}, which is not allowed: {text!r}")
    if (settings.order == "NLO") != any(map(asks_for_corrections, lines)):
        is_so = (
            "no line names the interaction, as in `p p > e+ e- [QCD]`"
            if settings.order == "NLO"
            else "a line has [...]"
        )
        raise StepError(f"the order of {sample} is {settings.order}, but {is_so}")
    return [
        f"import model {model}",
        *(f"define {label} = {particles}" for label, particles in settings.definitions.items()),
        *(f"{'add process' if index else 'generate'} {line}" for index, line in enumerate(lines)),
        f"output {madgraph.PROCESS}",
    ]


def _check_model(found: Installation, model: str, sample: str) -> None:
    """Refuse a model that is not installed: MadGraph would try to download it.

    :raises StepError: when the model is not installed, or its name is not one
    """
    if not is_model(model):
        raise StepError(f"{model!r} of {sample} is not the name of a model")
    folders = [found.folder / "models", *(Path(path) for path in os.environ.get("PYTHONPATH", "").split(":") if path)]
    names = {model, model.rpartition("-")[0]} - {""}
    if not any((folder / name).is_dir() for folder in folders for name in names):
        raise StepError(
            f"the model {model} of {sample} is not installed: put the folder of its UFO files into "
            f"{found.folder}/models"
        )


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """An empty temporary folder for a program. It is in the output folder, whose disk needs the space anyway, unless
    MadGraph's scripts cannot handle that path."""
    place = out if _PLAIN.fullmatch(str(out)) else None
    with tempfile.TemporaryDirectory(prefix="work.", dir=place) as folder:
        yield Path(folder)


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder; the bytes depend only on the content of its files. Links to files outside are followed."""
    with writing(archive) as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if name in _LEFT_OUT or "__pycache__" in path.parts:
                continue
            leads_out = path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())
            entry = tar.gettarinfo(str(path.resolve() if leads_out else path), arcname=name)
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = _MTIME, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            if entry.isreg():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive of :func:`pack`.

    :raises StepError: when the archive is damaged
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise StepError(f"{archive.name} is damaged: {error}") from error
