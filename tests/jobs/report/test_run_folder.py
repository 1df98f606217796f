"""Reading the folder of a run, and messages for incomplete folders."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mmc.cli.main import main
from mmc.errors import MmcError
from mmc.files import Folder
from mmc.jobs.report import run_report
from mmc.jobs.report.figures import make_figure
from mmc.jobs.report.pictures import Picture, save
from mmc.jobs.report.run_folder import open_run
from mmc.jobs.report.workflow import workflow_picture

from tests.jobs.physics import seal

Capture = pytest.CaptureFixture[str]


def report(*words: object) -> int:
    return main(["report", *map(str, words)])


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.fixture
def one_figure(plain_figures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single empty figure, for tests of the files: to build those of a run takes most of the time of its page."""
    drawn = {"losses": Picture("training", "Losses", "text", make_figure(1.0, 1.0)[0])}
    monkeypatch.setattr(run_report, "pictures", lambda *_: drawn)
    monkeypatch.setattr(run_report, "_distributions", lambda *_: ())


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_finished_run(run: Path) -> None:
    found = open_run(run)
    assert not found.missing
    assert [stage.name for stage in found.stages] == ["ingest", "sample", "train", "evaluate", "baselines", "report"]
    assert found.n_jobs == 11
    assert all(stage.seconds > 0.0 and stage.summary for stage in found.stages)
    assert found.study is not None and found.study["seed"] == 20


@pytest.mark.parametrize("place", ["out", "bundle"])
def test_the_bundle_is_beside_the_outputs_or_holds_them(place: str, copy: Path) -> None:
    """The layouts of the script, Yadage and CWL, and of results from REANA."""
    if place == "bundle":
        (copy / "out").rename(copy / "bundle" / "results")
    found = open_run(copy / place)
    assert found.study is not None and not found.missing


@pytest.mark.usefixtures("plain_figures")
def test_outputs_that_an_engine_has_not_kept(copy: Path) -> None:
    for stage in ("ingest", "sample"):
        shutil.rmtree(copy / "out" / stage)
    assert not open_run(copy).missing
    assert report(copy) == 0
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "not kept" in page and "the run is not finished" not in page


@pytest.mark.usefixtures("plain_figures")
def test_a_run_that_is_not_finished(copy: Path, capsys: Capture) -> None:
    shutil.rmtree(copy / "out" / "report")
    shutil.rmtree(copy / "out" / "evaluate" / "alice")
    assert open_run(copy).missing == ["evaluate[alice]", "report[report]"]
    assert report(copy) == 0
    assert capsys.readouterr().out == f"report: {copy / 'report.html'}\n"
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "the run is not finished: 2 of 11 jobs are missing: evaluate[alice], report[report]" in page
    assert page.index("the run is not finished") < page.index('<h2 id="limits"')
    assert "stroke-dasharray" in page


def test_an_output_of_an_earlier_study_counts_as_missing(copy: Path) -> None:
    rewrite(copy / "out" / "train" / "sally" / "job.json", fingerprint="0" * 64)
    shutil.rmtree(copy / "out" / "evaluate")
    shutil.rmtree(copy / "out" / "report")
    assert "train[sally]" in open_run(copy).missing


@pytest.mark.usefixtures("plain_figures")
def test_without_a_bundle_the_results_tell_what_the_study_was(copy: Path) -> None:
    shutil.rmtree(copy / "bundle")
    assert report(copy) == 0
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "A toy with &lt;b&gt;tags" in page
    assert not workflow_picture(open_run(copy).stages)


@pytest.mark.parametrize(
    ("spoil", "message", "code"),
    [
        (shutil.rmtree, "is not the folder of a run", 2),
        (lambda run: [shutil.rmtree(run / name) for name in ("out", "bundle")], "it contains no finished job", 2),
        (lambda run: shutil.rmtree(run / "out"), "has nothing to report yet: no job of its study is finished", 2),
        (lambda run: shutil.copytree(run / "out", run / "twice"), "contains several runs: ", 2),
        (lambda run: (run / "bundle" / "manifest.json").write_text("{"), "manifest.json is not JSON", 2),
        (
            lambda run: [shutil.rmtree(run / name) for name in ("bundle", "out/report")],
            "has neither a bundle nor results.json",
            3,
        ),
        (lambda run: rewrite_without(run / "out/evaluate/sally/evaluate.json", "theta_true"), "cannot read all", 3),
    ],
)
def test_one_line_says_what_is_wrong(spoil: Any, message: str, code: int, copy: Path, capsys: Capture) -> None:
    spoil(copy)
    assert report(copy) == code
    error = capsys.readouterr().err
    assert error.startswith("mmc: ") and error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize("name", ["out", "elsewhere"])
def test_outputs_on_another_disk(name: str, copy: Path, tmp_path: Path) -> None:
    (copy / "out").rename(tmp_path / "scratch")
    (copy / "out").symlink_to(tmp_path / "scratch")
    (copy / "elsewhere").symlink_to(tmp_path / "scratch")
    found = open_run(copy if name == "out" else copy / name)
    assert found.study is not None and not found.missing


@pytest.mark.parametrize("link", ["report.html", "figures", "figures/losses.svg", "figures/losses.png"])
@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.usefixtures("one_figure")
def test_no_link_in_the_folder_is_followed(
    link: str, dangling: bool, copy: Path, tmp_path: Path, capsys: Capture
) -> None:
    mine, place = tmp_path / "mine", copy / link
    mine.mkdir()
    (mine / "file").write_text("mine")
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(mine / "new" if dangling else mine / "file" if place.suffix else mine)
    assert report(copy) == 3
    assert f"{link} is a link to {mine}" in capsys.readouterr().err
    assert [path.name for path in mine.iterdir()] == ["file"] and (mine / "file").read_text() == "mine"


@pytest.mark.usefixtures("one_figure")
def test_only_what_mmc_wrote_is_replaced(copy: Path, capsys: Capture) -> None:
    assert report(copy) == 0
    assert report(copy) == 0
    for name in ("report.html", "figures/losses.svg", "figures/losses.png"):
        written = (copy / name).read_bytes()
        (copy / name).write_text("mine")
        assert report(copy) == 2
        assert f"{name} was not written by mmc" in capsys.readouterr().err
        assert (copy / name).read_text() == "mine"
        (copy / name).write_bytes(written)


@pytest.mark.usefixtures("one_figure")
def test_the_name_of_a_job_leads_nowhere(copy: Path, tmp_path: Path, capsys: Capture) -> None:
    for path in (copy / "bundle" / "config" / "evaluate.json", copy / "out" / "evaluate" / "alice" / "job.json"):
        text = path.read_text()
        assert '"alice"' in text
        path.write_text(text.replace('"alice"', '"/../../../escape"'))
    before = {path for path in tmp_path.rglob("*") if copy not in path.parents}
    assert report(copy) == 2
    assert "alice/job.json is not as mmc writes it: job is not a name" in capsys.readouterr().err
    assert {path for path in tmp_path.rglob("*") if copy not in path.parents} == before


def test_the_name_of_a_figure_leads_nowhere(tmp_path: Path) -> None:
    picture = Picture("limits", "title", "text", Figure())
    for name in ("../escape", "/escape", "closure_/../../escape"):
        with pytest.raises(MmcError, match="is not the path of a file inside"):
            save({name: picture}, ["svg"], Folder(tmp_path / "figures"))
    assert not list(tmp_path.rglob("*escape*"))


def rewrite_without(path: Path, key: str) -> None:
    record = json.loads(path.read_text())
    del record[key]
    path.write_text(json.dumps(record))
    seal(path.parent)


@pytest.mark.usefixtures("plain_figures")
def test_a_run_of_another_mmc_is_said_to_be_one(copy: Path) -> None:
    rewrite(copy / "out" / "train" / "sally" / "job.json", mmc="0.0.9")
    manifest = json.loads((copy / "bundle" / "manifest.json").read_text())
    del manifest["stages"]  # as it was once
    (copy / "bundle" / "manifest.json").write_text(json.dumps(manifest))
    assert report(copy) == 0
    assert "jobs were run by mmc 0.0.9" in (copy / "report.html").read_text(encoding="utf-8")


def test_what_steps_write_is_found_by_its_place_in_the_plan(run: Path) -> None:
    """The arrows of the picture: arrows from indirect inputs are left out."""
    picture = str(workflow_picture(open_run(run).stages))
    assert picture.count('class="arrow"') == 6
    assert picture.count('class="box') == 6


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HOSTILE: dict[str, tuple[str, Any, str]] = {
    "a list as manifest": ("bundle/manifest.json", [], "is not as mmc writes it: it is not of type 'object'"),
    "a number as digest": ("bundle/manifest.json", {"digest": 1}, "digest is not of type 'string'"),
    "a list as stages": ("bundle/manifest.json", {"stages": []}, "stages is not of type 'object'"),
    "a stage without reads": ("bundle/manifest.json", {"stages": {"train": {}}}, "stages.train lacks one of"),
    "stages that read each other": (
        "bundle/manifest.json",
        {
            "stages": {
                name: {"group": "learning", "summary": "", "reads": [other]}
                for name, other in (("train", "sample"), ("sample", "train"))
            }
        },
        "lets the stage train read sample, which comes later",
    ),
    "a stage with a path": ("bundle/config/train.json", {"stage": "../x"}, "stage is not a name"),
    "jobs as a list": ("bundle/config/train.json", {"jobs": []}, "jobs is not of type 'object'"),
    "a job without fingerprint": (
        "bundle/config/train.json",
        {"jobs": {"a": [0, 1]}},
        "jobs.a does not fit minItems 3",
    ),
    "a job with a path": (
        "bundle/config/train.json",
        {"jobs": {"../../x": [0, 1, ""]}},
        "jobs is not a name",
    ),
    "a study without title": ("bundle/study.resolved.json", {"title": None}, "title is not of type 'string'"),
    "labels that are lists": (
        "bundle/study.resolved.json",
        {"observables": {"x1": []}},
        "observables.x1 is not of type",
    ),
    "a job's name with a path": ("out/evaluate/sally/job.json", {"job": "../../sally"}, "job is not a name"),
    "a job's name with a line break": ("out/evaluate/sally/job.json", {"job": "sally\n"}, "job is not a name"),
    "a list as name": ("out/evaluate/sally/job.json", {"job": ["sally"]}, "job is not of type 'string'"),
    "time as text": ("out/evaluate/sally/job.json", {"seconds": "1"}, "seconds is not of type 'number'"),
    "time without end": ("out/evaluate/sally/job.json", '{"seconds": 1e999}', "a number is not finite"),
    "a number as version": ("out/evaluate/sally/job.json", {"mmc": 1}, "mmc is not of type 'string'"),
    "deep": ("out/evaluate/sally/job.json", "[" * 100_000, "nested more than 64 deep"),
    "a key twice": ("out/evaluate/sally/job.json", '{"a": 1, "a": 2}', "an object has the same key twice"),
    "half of a character": ("out/evaluate/sally/job.json", '["\\ud800"]', "surrogates not allowed"),
    "a FIFO": ("out/evaluate/sally/job.json", _fifo, "cannot be read: not a regular file"),
    "a FIFO as manifest": ("bundle/config/train.json", _fifo, "cannot be read: not a regular file"),
    "results that are none": ("out/report/report/results.json", {"methods": [1]}, "methods[0] is not of type"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_records_of_a_hostile_run_end_in_one_line(name: str, copy: Path, capsys: Capture) -> None:
    place, content, reason = HOSTILE[name]
    path = copy / place
    if callable(content):
        content(path)
    elif isinstance(content, dict):
        rewrite(path, **content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    if path.name == "results.json":
        seal(path.parent)
    assert report(copy) in (2, 3)
    error = capsys.readouterr().err
    assert error.startswith("mmc: ") and error.count("\n") == 1 and len(error) < 1000
    assert reason in error
    assert "bug in mmc" not in error


def test_outputs_of_an_earlier_study_are_left_out_before_runs_are_counted(copy: Path) -> None:
    """An engine that runs an edited study in the same folder leaves outputs of the earlier study at other places."""
    shutil.copytree(copy / "out" / "baselines" / "rate", copy / "out" / "baselines" / "earlier")
    rewrite(copy / "out" / "baselines" / "earlier" / "job.json", fingerprint="0" * 64)
    found = open_run(copy)
    assert not found.missing
    assert found.outputs("baselines")["rate"] == copy / "out" / "baselines" / "rate"


def test_an_equal_output_at_another_place_is_no_other_run(copy: Path) -> None:
    shutil.copytree(copy / "out" / "baselines" / "rate", copy / "out" / "baselines" / "again")
    assert not open_run(copy).missing


@pytest.mark.usefixtures("plain_figures")
def test_without_a_bundle_only_what_the_last_report_was_made_from_counts(
    copy: Path, other_run: Path, capsys: Capture
) -> None:
    """Two studies in one folder, the earlier one with a method more."""
    shutil.rmtree(copy / "bundle")
    shutil.copytree(other_run / "out" / "evaluate" / "sally", copy / "out" / "evaluate" / "sallino")
    rewrite(copy / "out" / "evaluate" / "sallino" / "job.json", job="sallino")
    assert report(copy) == 0
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert (
        "outputs of several studies; left out, because the last report was not made from them: evaluate[sallino]"
        in page
    )


@pytest.mark.parametrize(
    ("key", "value", "difference"),
    [
        ("luminosity_pb", 300_000.0, "another luminosity (300000 and 20000 /pb)"),
        ("theta_true", {"c1": 0.5, "c2": 0.0}, "another true point"),
        (
            "grid",
            {"c1": {"range": [-1.5, 1.0], "points": 7}, "c2": {"range": [-1.5, 1.5], "points": 7}},
            "another grid",
        ),
    ],
)
def test_a_result_of_other_choices_than_the_study_is_refused(
    key: str, value: Any, difference: str, copy: Path, capsys: Capture
) -> None:
    for stage in ("evaluate", "baselines"):
        path = copy / "bundle" / "config" / f"{stage}.json"
        config = json.loads(path.read_text())
        config["shared"][key] = value
        path.write_text(json.dumps(config))
    assert report(copy) == 3
    assert f"the results are of several studies: sally has {difference} than the study" in capsys.readouterr().err


def test_results_of_other_choices_than_each_other_are_refused(copy: Path, other_run: Path, capsys: Capture) -> None:
    """Without a bundle, and without digests in the record of the report."""
    shutil.rmtree(copy / "bundle")
    shutil.copytree(other_run / "out" / "evaluate" / "sally", copy / "out" / "evaluate" / "sallino")
    rewrite(copy / "out" / "evaluate" / "sallino" / "job.json", job="sallino")
    record = json.loads((copy / "out" / "report" / "report" / "job.json").read_text())
    del record["outputs"], record["inputs"]
    (copy / "out" / "report" / "report" / "job.json").write_text(json.dumps(record))
    assert report(copy) == 3
    assert "the results are of several studies: " in capsys.readouterr().err
