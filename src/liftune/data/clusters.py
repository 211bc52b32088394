"""Which rows are no independent draws: those of equal text, of one group, and, when parts are cut, near duplicates.

In: rows, their groups, the least similarity of a near duplicate.  Out: blocks of positions; each row's cluster.
Not here: cutting by them (sampling.py, folds.py), resampling by them (evaluation/statistics/clustered.py), how similar
two rows are (near_duplicates.py).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liftune.types import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Links of near duplicates are transitive: a template in which one word differs would put most of a data set into one
#: block. So blocks that they make hold a twentieth of the rows at most; a tenth up to ten where that is more, and two.
LARGE_SHARE, SMALL_SHARE, SMALL_MOST = 1 / 20, 1 / 10, 10
#: No more rows than this share, with texts that several groups share, do not put most rows into one block.
COMMON_SHARE = 1 / 10


@dataclass(frozen=True)
class Blocks:
    """Rows in blocks that must stay in one part.

    Args:
        members: positions of each block, blocks by their first row.
        near: rows that are in a block with near duplicates of another text or group, all of them.
        parted: rows of chains of near duplicates so long that they were divided into several blocks.
        apart: near duplicates in different blocks, for that reason.
        common: rows whose text several groups share, where such texts do not connect their groups.
    """

    members: list[list[int]]
    near: int = 0
    parted: int = 0
    apart: tuple[tuple[int, int], ...] = ()
    common: int = 0

    def among(self, positions: Sequence[int]) -> Blocks:
        """The blocks of some of the rows, which are numbered anew in this order."""
        place = {position: i for i, position in enumerate(positions)}
        kept = [[place[i] for i in block if i in place] for block in self.members]
        return Blocks(sorted((sorted(block) for block in kept if block), key=lambda block: block[0]))

    def notes(self) -> tuple[str, ...]:
        """What to say of near duplicates that were kept together, and of those that were not."""
        said = []
        if self.common:
            said.append(
                f"{self.common:,} rows have a text that several groups share: these texts would tie most groups "
                "together, and were passed over"
            )
        if self.near:
            said.append(
                f"{self.near:,} rows are near duplicates of others: such rows were kept in one part "
                "(--near-duplicates none cuts between them)"
            )
        if self.parted:
            said.append(
                f"{self.parted:,} rows form long chains of near duplicates, as texts of one template do: these were "
                "divided, so that near duplicates may be in different parts"
            )
        return tuple(said)


def same_text(row: Row) -> Row:
    """What is equal for rows of equal text: white space and the form of composed characters make no difference.

    >>> same_text(" The  meal ") == same_text("The meal"), same_text("meal") == same_text("Meal")
    (True, False)
    """
    return _plain(row) if isinstance(row, str) else (_plain(row[0]), _plain(row[1]))


def _plain(text: str) -> str:
    text = " ".join(text.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def connected(rows: Sequence[Row], groups: Sequence[Hashable] | None, *, near: float = 0.0) -> Blocks:
    """Rows connected by equal text, by group or as near duplicates, over any number of steps.

    Text and group connect without a limit, but for a few texts that would connect most groups. Near duplicates are then
    linked, the most similar first; a link that would make a block of more rows than `most_linked` is left out.

    Args:
        near: least similarity of near duplicates; 0 looks for none.
    """
    texts = [same_text(row) for row in rows]
    forest, common = _by_text_and_group(texts, groups)
    if not near or len(rows) < 2:
        return Blocks(forest.blocks(), common=common)
    before = [forest.root(i) for i in range(len(rows))]
    most = most_linked(len(rows))
    chains = forest.copy()
    left_out = []
    for a, b in _near_links(rows, near):
        if texts[a] == texts[b]:
            continue
        if chains.root(a) != chains.root(b):
            chains.join(a, b)
        if not forest.joined(a, b):
            if forest.size(a) + forest.size(b) <= most:
                forest.join(a, b)
            else:
                left_out.append((a, b))
    blocks, parted = forest.blocks(), {chains.root(a) for a, _ in left_out}
    whole = [block for block in blocks if chains.root(block[0]) not in parted]
    return Blocks(
        blocks,
        near=sum(len(block) for block in whole if len({before[i] for i in block}) > 1),
        parted=len(rows) - sum(map(len, whole)),
        apart=tuple(left_out),
        common=common,
    )


def _by_text_and_group(texts: Sequence[Hashable], groups: Sequence[Hashable] | None) -> tuple[_Forest, int]:
    """Rows connected by text and group; and how many have a text that several groups share, where that was passed over.

    Groups are connected by the texts that they share. But a few common texts ("thanks") would connect most groups to
    one, and say that nothing can be told: where at most a tenth of the rows put more than half of them into one
    block, and neither texts nor groups alone do so, groups alone connect.
    """
    forest = _Forest.by(len(texts), texts)
    if groups is None:
        return forest, 0
    alone, by_text = _Forest.by(len(texts), groups), forest.copy()
    forest.join_equal(groups)
    of_text: dict[Hashable, set[Hashable]] = defaultdict(set)
    for text, group in zip(texts, groups, strict=True):
        of_text[text].add(group)
    common = sum(len(of_text[text]) > 1 for text in texts)
    most = max(map(len, forest.blocks()), default=0)
    others = max((len(block) for each in (alone, by_text) for block in each.blocks()), default=0)
    if common <= COMMON_SHARE * len(texts) and most > len(texts) / 2 >= others:
        return alone, common
    return forest, 0


def most_linked(rows: int) -> int:
    """Rows of the largest block that links of near duplicates may make.

    >>> most_linked(10), most_linked(60), most_linked(150), most_linked(1_000)
    (2, 6, 10, 50)
    """
    return max(int(LARGE_SHARE * rows), min(SMALL_MOST, max(2, int(SMALL_SHARE * rows))))


def _near_links(rows: Sequence[Row], near: float) -> Iterator[tuple[int, int]]:
    """Pairs of near duplicates, the most similar first: rows alike but for case and punctuation, then the others."""
    from liftune.data.near_duplicates import find_near  # numpy, which a listing does not need

    found = find_near(rows, near)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, key in enumerate(found.keys.tolist()):
        if first.setdefault(key, position) != position:
            yield last[key], position
        last[key] = position
    pairs = ((-alike, key, other) for key, links in found.links.items() for other, alike in links if key < other)
    for _, key, other in sorted(pairs):
        yield first[key], first[other]


def clusters_of(rows: Sequence[Row] | None, groups: Sequence[str] | None) -> NDArray[np.int64] | None:
    """(N,) each row's cluster as a number from 0: rows of equal text, or of one group, are in one.

    Args:
        rows: (N,) texts; None where they are not known, and every row counts as another text.

    Returns:
        None where every row is a cluster of its own: its rows are independent.
    """
    if groups is None and rows is None:
        return None
    import numpy as np

    size = len(groups or rows or ())
    blocks = connected(rows if rows is not None else [str(i) for i in range(size)], groups).members
    if len(blocks) == size:
        return None
    clusters = np.empty(size, dtype=np.int64)
    for number, block in enumerate(blocks):
        clusters[block] = number
    return clusters


class _Forest:
    """Disjoint sets of positions, each known by its first one. Source: path halving, Tarjan and van Leeuwen (1984)."""

    def __init__(self, size: int) -> None:
        self._parent, self._sizes = list(range(size)), [1] * size

    @classmethod
    def by(cls, size: int, keys: Sequence[Hashable]) -> _Forest:
        """Positions of equal keys are joined."""
        forest = cls(size)
        forest.join_equal(keys)
        return forest

    def join_equal(self, keys: Sequence[Hashable]) -> None:
        """Positions of equal keys, too."""
        first: dict[Hashable, int] = {}
        for position, key in enumerate(keys):
            self.join(first.setdefault(key, position), position)

    def copy(self) -> _Forest:
        """The same sets, to be joined further."""
        other = _Forest(0)
        other._parent, other._sizes = self._parent.copy(), self._sizes.copy()
        return other

    def root(self, i: int) -> int:
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def joined(self, a: int, b: int) -> bool:
        return self.root(a) == self.root(b)

    def size(self, i: int) -> int:
        return self._sizes[self.root(i)]

    def join(self, a: int, b: int) -> None:
        kept, gone = sorted((self.root(a), self.root(b)))
        if kept != gone:
            self._parent[gone] = kept
            self._sizes[kept] += self._sizes[gone]

    def blocks(self) -> list[list[int]]:
        """Positions of each set, sets by their first position."""
        members: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._parent)):
            members[self.root(i)].append(i)
        return list(members.values())
