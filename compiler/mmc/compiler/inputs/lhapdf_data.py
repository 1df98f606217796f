"""Sets of parton distributions in folders of LHAPDF's data."""

import os
from pathlib import Path

SEARCHED = "LHAPDF_DATA_PATH"
"""LHAPDF's own environment variable with the folders of sets, separated by colons."""


def folder_of(name: str) -> Path | None:
    """The folder of a set; None if no folder of :data:`SEARCHED` has it."""
    folders = (Path(folder) / name for folder in os.environ.get(SEARCHED, "").split(":") if folder)
    return next((folder for folder in folders if (folder / f"{name}.info").is_file()), None)


def how_to_get(name: str) -> str:
    """How to get a set that is missing."""
    return f"download {name}.tar.gz of LHAPDF's sets, unpack it, and let {SEARCHED} name the folder around it"
