"""``mmc explain``: every code, and the list of all."""

import pytest
from mmc.cli.main import main
from mmc.compiler.checks.codes import CODES

Capture = pytest.CaptureFixture[str]


def test_every_code(capsys: Capture) -> None:
    assert main(["explain"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(CODES)
    for code, entry in CODES.items():
        assert main(["explain", code.lower()]) == 0
        assert entry.title in capsys.readouterr().out


def test_an_unknown_code(capsys: Capture) -> None:
    assert main(["explain", "MMC999"]) == 2
    assert capsys.readouterr().err == "mmc: there is no code MMC999; `mmc explain` lists all codes\n"
