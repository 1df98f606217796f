"""A simulator of one's own: the limits of the study agree with the likelihood, which is known."""

import json

import numpy as np
import pytest
import yaml
from mmc.cli.study_file import read
from mmc.compiler.settings.encoding import to_json

from tests.jobs.physics import Folder
from tests.support import STUDIES

HERE = STUDIES / "toy-simulator"
METHOD = "alices"


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The limits of one method of the study, with a shorter training and 10 expected events."""
    path = tmp_path_factory.mktemp("toy")
    study = yaml.safe_load((HERE / "study.yaml").read_text())
    method = study["methods"][METHOD]
    study["methods"] = {METHOD: {**method, "samples": 4000, "training": {**method["training"], "n_epochs": 12}}}
    (path / "study.yaml").write_text(yaml.safe_dump(study))
    for name in ("zero.npz", "train.npz"):
        (path / name).write_bytes((HERE / name).read_bytes())
    plan = read(str(path / "study.yaml")).plan()
    folder, made = Folder(path), {}
    for stage in plan.stages:
        if stage.name == "report":
            break
        (job,) = stage.jobs
        files = {file.name: path / file.path.name for file in stage.files}
        settings = {**to_json(stage.settings), **job.settings}
        inputs = {item.name: made[item.stage] for item in stage.inputs}
        made[stage.name] = folder.run(stage.name, job.name, settings, seed=job.seed, **inputs, **files)
    assert json.loads((made["evaluate"] / "evaluate.json").read_text())["n_expected"] == pytest.approx(10.0)
    with np.load(made["evaluate"] / "limits.npz") as arrays:
        return dict(arrays)


def test_the_expected_likelihood_is_the_known_one(limits: dict[str, np.ndarray]) -> None:
    """x is normal around theta with variance 5, so 10 events at 0 have the mean -2 ln L = 10 theta² / 5."""
    theta = np.linspace(-4.0, 4.0, 41)
    known = 10.0 * theta**2 / 5.0
    near = np.abs(theta) < 1.5
    found = -2.0 * limits["log_likelihood_ratio"]
    np.testing.assert_allclose((found - found[20])[near], known[near], atol=0.5)
