"""The weights of an event file are known before a job runs, and listed where one is missing."""

import gzip
from pathlib import Path

import pytest
from mmc.cli.study_file import read, read_start_in

from tests.support import ROOT

BAD = ROOT / "tests" / "bad"


@pytest.mark.parametrize("packed", [False, True])
def test_the_weights_of_a_file_are_listed(packed: bool, tmp_path: Path) -> None:
    content = (BAD / "lhe" / "three.lhe").read_bytes()
    (tmp_path / "lhe").mkdir()
    (tmp_path / "lhe" / "three.lhe").write_bytes(gzip.compress(content) if packed else content)
    text = (BAD / "MMC341_no_weight.yaml").read_text(encoding="utf-8")
    study = tmp_path / "study.yaml"
    study.write_text(text, encoding="utf-8")
    (found,) = read(str(study)).diagnostics
    assert (found.code, found.message) == ("MMC341", "lhe/three.lhe has no weight 'ww' for the benchmark 'ww'")
    assert "`rwgt_1`, `rwgt_2`, `rwgt_3`" in found.help
    study.write_text(text.replace('"rwgt_2"', '"rwgt_2", ww: rwgt_3'), encoding="utf-8")
    assert read(str(study)).diagnostics == []
    study.write_text(text.replace('"rwgt_2"', '"rwgt_2", ww: rwgt_9'), encoding="utf-8")
    assert [item.message for item in read(str(study)).diagnostics] == [
        "lhe/three.lhe has no weight 'rwgt_9' for the benchmark 'ww'"
    ]


def test_a_damaged_file_is_left_to_the_job(tmp_path: Path) -> None:
    (tmp_path / "a.lhe").write_bytes(b"\x1f\x8b\x08 damaged")
    assert read_start_in(tmp_path)("a.lhe") is None
    assert read_start_in(tmp_path)("missing.lhe") is None
