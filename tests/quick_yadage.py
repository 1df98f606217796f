"""`yadage-run` without what makes it slow: python tests/quick_yadage.py [ARGUMENT OF yadage-run...]

At each look at the jobs, Yadage compiles the same few jq programs and paths again, asks all ancestors of each job for
failures along every way that leads to them, and foretells from the same words again where each job writes. That is
nearly all of its CPU time. It also sleeps half a second after the start of each job. What it runs, when and with which
words stays the same.
"""

import functools
import json
from types import SimpleNamespace
from typing import Any

import jq
import jsonpath_rw
import networkx

jq.jq = functools.cache(jq.jq)
jsonpath_rw.parse = functools.cache(jsonpath_rw.parse)

from adage import dagstate  # noqa: E402
from packtivity import syncbackends  # noqa: E402
from packtivity.handlers import execution_handlers  # noqa: E402
from yadage.steering import main  # noqa: E402

execution_handlers.time = SimpleNamespace(sleep=lambda seconds: None)


def upstream_failure(dag: Any, node: Any) -> bool:
    """Whether a job has failed that this one waits for, directly or not."""
    return any(dagstate.node_ran_and_failed(dag.getNode(name)) for name in networkx.ancestors(dag, node.identifier))


dagstate.upstream_failure = upstream_failure

foretell, foretold = syncbackends.prepublish, {}


def prepublish(spec: Any, parameters: Any, state: Any, config: Any) -> Any:
    """Where a job will write; of the kinds that steps of mmc have, this only depends on the job's words."""
    publisher = spec["publisher"]
    if state is None or publisher["publisher_type"] != "interpolated-pub" or publisher["glob"]:
        return foretell(spec, parameters, state, config)
    words = json.dumps([publisher, parameters, state.json()])
    if words not in foretold:
        foretold[words] = foretell(spec, parameters, state, config)
    return foretold[words]


syncbackends.prepublish = prepublish

if __name__ == "__main__":
    main()
