"""Names of container images."""


def is_pinned(image: str) -> bool:
    """Whether an image is fixed: it has a digest, or a tag other than ``latest``.

    >>> is_pinned("registry:5000/mmc"), is_pinned("mmc:latest"), is_pinned("mmc:1.0"), is_pinned("mmc@sha256:01")
    (False, False, True, True)
    """
    last = image.rsplit("/", 1)[-1]
    return "@" in last or (":" in last and not last.endswith(":latest"))
