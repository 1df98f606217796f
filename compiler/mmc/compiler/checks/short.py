"""Short forms: an observable that is a text is its definition, ``pt_w: (l[0] + met).pt``."""

from mmc.compiler.language.document import Document, Path


def read_short(document: Document) -> Document:
    """The document with observables in their long form, whose definitions have the positions of the texts."""
    observables = None if document.data is None else document.data.get("observables")
    texts = observables.items() if isinstance(observables, dict) else ()
    definitions: dict[Path, str] = {("observables", name): text for name, text in texts if isinstance(text, str)}
    return document.with_definitions(definitions) if definitions else document
