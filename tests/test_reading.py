"""Reading of files that may be anything: regular files of a bounded size, JSON of a bounded depth."""

import os
from pathlib import Path

import pytest
from mmc.reading import MOST_LEVELS, open_regular, read_bytes, read_json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe\xff", "codec can't decode"),
        (b'{"a": 1, "a": 2}', "an object has the same key twice"),
        (b"[" * 100_000, f"nested more than {MOST_LEVELS} deep"),
        (b"[" * 70 + b"]" * 70, f"nested more than {MOST_LEVELS} deep"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, f"nested more than {MOST_LEVELS} deep"),
        (b"[1e999]", "a number is not finite"),
        (b"[NaN]", "a number is not finite"),
        (b"[-Infinity]", "a number is not finite"),
        (b"1" * 5000, "Exceeds the limit"),
        (b"[1000000000000000000000]", "an integer has more than 64 bits"),
        (b'["\\ud800"]', "surrogates not allowed"),
        (b'{"\\udc00": 1}', "surrogates not allowed"),
    ],
)
def test_json_that_mmc_cannot_use_is_a_value_error(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=reason):
        read_json(path)


def test_json_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"µ": [1, -2.5e-3, true, null, "x"], "": {}}', encoding="utf-8")
    assert read_json(path) == {"µ": [1, -2.5e-3, True, None, "x"], "": {}}
    path.write_text("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    assert len(read_json(path)) == 1


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        "pipe": "not a regular file",
        "link": "not a regular file",
        "/dev/zero": "not a regular file",
        ".": "Is a directory",
        "none": "No such file or directory",
        "loop": "Too many levels of symbolic links",
    }
    for name, reason in reasons.items():
        with pytest.raises(OSError, match=reason) as raised:
            open_regular(tmp_path / name)
        assert raised.value.filename == str(tmp_path / name)


def test_the_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 101)
    assert len(read_bytes(path, 101)) == 101
    with pytest.raises(OSError, match="larger than 100 bytes"):
        read_bytes(path, 100)
