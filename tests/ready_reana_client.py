"""Imported before reana-client is forked: it reads the interface of REANA's server once, and not at each start.

Nine tenths of a command's CPU time are bravado's check of that interface and the client that it makes of it.
"""

import json
from typing import Any

from bravado_core.spec import Spec
from reana_commons.api_client import BaseAPIClient

_made: dict[str, Spec] = {}
_make = Spec.from_dict


def _from_dict(content: Any, origin_url: Any = None, http_client: Any = None, config: Any = None) -> Spec:
    key = json.dumps([content, repr(config)])  # before bravado writes into it
    if key not in _made:
        _made[key] = _make(content, origin_url, http_client, config)
    _made[key].http_client = http_client
    return _made[key]


Spec.from_dict = _from_dict
BaseAPIClient("reana-server")
