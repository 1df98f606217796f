"""Functions of an event."""


def mt2(event):
    """The smaller transverse momentum of two leptons."""
    return min(event.l[0].pt, event.l[1].pt) if len(event.l) > 1 else None
