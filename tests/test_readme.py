"""The documentation: links lead somewhere, and what it shows is what mmc says."""

import doctest
import importlib
import linecache
import pkgutil
import re
import shutil
from functools import cache
from pathlib import Path

import mmc
import pytest
from mmc.cli.main import main
from mmc.cli.study_file import read

from tests.support import ROOT, STUDIES

PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
    *(ROOT / "containers").glob("*.md"),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
"""A link: the path of its page, which is empty for the same page, and the heading on it."""
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

MODULES = [module.name for module in pkgutil.walk_packages(mmc.__path__, "mmc.") if module.name != "mmc.__main__"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(_prose(page)) if not link[0].startswith(("http:", "https:"))]
    assert [target for target, _ in links if not (page.parent / target).exists()] == []
    named = [(page.parent / target if target else page, heading) for target, heading in links if heading]
    assert [(path, heading) for path, heading in named if path.suffix == ".md" and heading not in _headings(path)] == []


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def _headings(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    texts = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(_prose(page)))
    return {re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") for text in texts}


def test_the_readme_shows_real_diagnostics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Path("studies") / "drell-yan" / "study.yaml"
    study.parent.mkdir(parents=True)
    shutil.copy(STUDIES / "drell-yan" / "study.yaml", study)
    text = study.read_text()
    slips = {"energy: 6500 GeV": "energy: 6500", '"(mu[0] + mu[1]).m", required': '"(mu[0] + mu[1]).mas", required'}
    for right, wrong in slips.items():
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    study.write_text(text)
    assert main(["validate", str(study)]) == 1
    assert f"```\n{capsys.readouterr().out}```\n" in (ROOT / "README.md").read_text()


def test_the_readme_shows_the_plan_of_the_study(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    shown = ROOT / "docs" / "images" / "workflow.svg"
    drawn = shown if request.config.getoption("--update-golden") else tmp_path / "workflow.svg"
    assert main(["plan", str(STUDIES / "drell-yan" / "study.yaml"), "--format", "svg", "--output", str(drawn)]) == 0
    assert _texts(shown.read_text()) == _texts(drawn.read_text())  # positions differ between releases of graphviz


def test_the_page_of_studies_shows_what_is_planned() -> None:
    """Jobs and events of each study, as in the table."""
    page = (ROOT / "docs" / "studies.md").read_text()
    for study in STUDIES.glob("*/*.yaml"):
        plan = read(str(study)).plan()
        simulated = [stage for stage in plan.stages if stage.name == "simulate"]
        # what tables hold is not known before they are read
        events = f"{sum(job.events for job in simulated[0].jobs):,}" if simulated else "[0-9,]+"
        row = rf"\| \[{study.parent.name}/{study.name}\].*\| {plan.n_jobs:,} \| {events} \|"
        assert re.search(row, page), (study, plan.n_jobs, events)


def _texts(svg: str) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}")
    has_examples = ">>>" in Path(str(module.__file__)).read_text(encoding="utf-8")  # to look takes ten times as long
    linecache.clearcache()  # for each example doctest asks whether a file in it has changed
    assert not has_examples or doctest.testmod(module).failed == 0
