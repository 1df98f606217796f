"""Commands that find their folder in use."""

import os
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.locks import BUNDLE, RUN, held

Capture = pytest.CaptureFixture[str]


def test_a_bundle_that_is_in_use_is_not_submitted(tmp_path: Path, capsys: Capture) -> None:
    with held(tmp_path / BUNDLE, "the test"):
        assert main(["submit", str(tmp_path)]) == 3
    assert f"{tmp_path} is in use by the test of user " in capsys.readouterr().err


def test_a_report_says_that_a_run_is_at_work(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("madminer")
    (tmp_path / "out").mkdir()
    with held(tmp_path / "out" / RUN, "the test"):
        main(["report", str(tmp_path)])
    warning, error = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {tmp_path / 'out'} is in use by the test of user ")
    assert f"process {os.getpid()}" in warning and warning.endswith("; the report shows what is finished")
    assert "is not the folder of a run" in error
    main(["report", str(tmp_path)])
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.rglob("*.lock"))


def test_reports_share_a_folder(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("madminer")
    with held(tmp_path / RUN, "another report", shared=True):
        main(["report", str(tmp_path)])
    assert "in use" not in capsys.readouterr().err
