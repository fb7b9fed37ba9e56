"""A search in parts: how its rows are dealt out, and how the answers become one."""

from collections.abc import Sequence

import numpy as np

from .kernel import Found, View
from .kernel.layout import GROUP


def split(views: list[View], parts: int) -> list[list[View]]:
    """`views` in at most `parts` lists of about the same number of rows, cut at group edges."""
    rows = sum(view.last - view.first for view in views)
    share = -(-rows // parts // GROUP) * GROUP + GROUP
    split: list[list[View]] = [[]]
    space = share
    for view in views:
        first = view.first
        while first < view.last:
            if space <= 0:
                split.append([])
                space = share
            last = min(view.last, first + -(-space // GROUP) * GROUP)
            mask = None if view.mask is None else view.mask[first - view.first : last - view.first]
            split[-1].append(View(view.chunk, first, last, mask))
            space -= last - first
            first = last
    return split


def merged(pieces: Sequence[Found], top_k: int) -> Found:
    """One query's answer from its answers in parts."""
    vectors = np.concatenate([piece.vectors[: len(piece.hits)] for piece in pieces])
    hits = [hit for piece in pieces for hit in piece.hits]
    damaged = sum(piece.damaged for piece in pieces)
    # Best score first, then the newest, which has the highest id. What is damaged has to be seen
    # even where it is not among the best.
    order = sorted(range(len(hits)), key=lambda at: (-hits[at][0], -hits[at][2]))
    if not damaged:
        del order[top_k:]
    copies = vectors[order]
    copies.setflags(write=False)
    return Found(
        [hits[at] for at in order],
        copies,
        sum(piece.reranked for piece in pieces),
        damaged,
    )
