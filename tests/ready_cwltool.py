"""Imported before cwltool or Toil is forked: the schemas of CWL are read once, which takes longer than most workflows.

cwltool forgets them at its start.
"""

from typing import Any

from cwltool import process

load, loaded = process.load_schema, {}


def load_schema(address: str, cache: dict[str, Any]) -> Any:
    """The schema at an address, all of whose texts the cache has."""
    texts = (address, *cache.items())
    if texts not in loaded:
        loaded[texts] = load(address, cache=cache)
    return loaded[texts]


process.load_schema = load_schema
for version in ("v1.0", "v1.2"):
    process.get_schema(version)
