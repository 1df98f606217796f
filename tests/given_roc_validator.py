"""``PYTHON given_roc_validator.py FOLDER...`` lists, as JSON, what each RO-Crate violates; it needs no network.

Runs in an environment with roc-validator and with rocrate 0.13, which brings the context of version 1.1.
"""

import json
import sys
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.request import Request
from urllib.response import addinfourl

import rdflib.parser
import rocrate
from rocrate_validator import models, services

CONTEXT = Path(rocrate.__file__).with_name("data") / "ro-crate.jsonld"


def _open(request: Request) -> Any:
    """The response of a server that is not asked."""
    assert request.full_url == "https://w3id.org/ro/crate/1.1/context"
    headers = Message()
    headers["Content-Type"] = "application/ld+json"
    return addinfourl(CONTEXT.open("rb"), headers, request.full_url, 200)


rdflib.parser._urlopen = _open


def _violated(folder: str) -> list[str]:
    settings = services.ValidationSettings(
        rocrate_uri=models.URI(folder),
        profile_identifier="provenance-run-crate",
        requirement_severity=models.Severity.REQUIRED,
        skip_availability_check=True,
        skip_checks=["ro-crate-1.1_3.1", "ro-crate-1.1_3.2"],  # that the context can be downloaded
    )
    found = services.validate(settings).get_issues()
    return [f"{issue.check.identifier}: {issue.message} {issue.violatingEntity}" for issue in found]


sys.stdout.write(json.dumps([_violated(folder) for folder in sys.argv[1:]]))
