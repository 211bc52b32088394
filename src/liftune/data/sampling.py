"""Dividing rows: splitting a part off from train, and sampling, both seeded and stratified.

In: a Split, a size, a seed.  Out: positions in it.
Not here: which parts a run needs (load.py), folds (folds.py).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress

from liftune.data.clusters import Blocks, connected
from liftune.data.splits import Split
from liftune.errors import DataError
from liftune.tasks import TaskKind, task_of

#: Part of the seed of `split_off`, spelt as in 0.1: any other text would draw other rows.
_SEED_TEXT = "\x63arve"


#: Rows of which some have the same label, where labels are classes.
_ENOUGH_TO_REPEAT = 10


def split_off(
    split: Split, size: int, task: TaskKind, seed: int, *, name: str, where: str, blocks: Blocks | None = None
) -> tuple[list[int], list[int]]:
    """Positions that stay and positions that are split off, about `size` of these, in the order of the file.

    Rows of one block stay together, so that no text is on both sides, and no group. Every class keeps at least one
    block, so that a class of one row stays.

    Args:
        name: of the new part, for the seed and for messages.
        where: the file or source, for messages.
        blocks: of rows that stay together; None: those of equal text (and pair), or of one group. Where no part can be
            split off by blocks of near duplicates, they are not heeded.

    Raises:
        DataError: too few rows to split off a single one.
    """
    if blocks is not None:
        with suppress(DataError):
            return _split_off(split, blocks.members, size, task, seed, name=name, where=where)
    members = connected(split.rows, split.groups).members
    return _split_off(split, members, size, task, seed, name=name, where=where)


def _split_off(
    split: Split, blocks: list[list[int]], size: int, task: TaskKind, seed: int, *, name: str, where: str
) -> tuple[list[int], list[int]]:
    rng = seeded_rng(seed, f"{_SEED_TEXT} {name}")
    kinds = task_of(task).strata(split.targets)
    if split.groups is not None:
        return _split_off_groups(split, list(blocks), size, kinds, rng, name=name, where=where)
    sizes = Counter(kinds)
    groups: dict[Hashable, list[list[int]]] = defaultdict(list)
    for members in blocks:
        # A text of two classes is filed under the rarer one, whose last row it may be.
        groups[min((kinds[i] for i in members), key=lambda kind: sizes[kind])].append(members)
    rows = {kind: sum(map(len, each)) for kind, each in groups.items()}
    most = {kind: rows[kind] if len(each) > 1 else 0 for kind, each in groups.items()}
    taken: list[int] = []
    for kind, quota in _shares(rows, size, rng, most=most).items():
        taken += _drawn(groups[kind], quota, rng)
    if any(len({kinds[i] for i in block}) > 1 for block in blocks):
        taken = _balanced(taken, blocks, kinds, _shares(sizes, size, rng), rng)
    taken = _with_classes_left(taken, blocks, kinds)
    if not taken:
        taken = _smallest([each for each in groups.values() if len(each) > 1])
    if not taken and len(split) == len(groups) >= _ENOUGH_TO_REPEAT:
        raise DataError(
            f"each of the {len(split):,} rows has a label of its own, so that none can be learned",
            where=where,
            hint="name another column with --label; where labels stand in longer answers, write the label alone",
        )
    if not taken:
        raise DataError(
            f"{len(split)} rows are too few to split off a {name} part: no class has two different texts",
            where=where,
            hint=f"add rows, or give a {name} part of its own",
        )
    out = set(taken)
    return [i for i in range(len(split)) if i not in out], sorted(taken)


def _balanced(
    taken: list[int],
    blocks: Sequence[list[int]],
    kinds: Sequence[Hashable],
    wanted: Mapping[Hashable, int],
    rng: random.Random,
) -> list[int]:
    """Nearer to the rows wanted of each class, where blocks of several classes brought others: blocks of one class are
    put back or added."""
    out = set(taken)
    held = Counter(kinds[i] for i in taken)
    pure = [block for block in blocks if len({kinds[i] for i in block}) == 1]
    rng.shuffle(pure)
    for block in pure:
        kind, rows = kinds[block[0]], len(block)
        if block[0] in out and held[kind] - rows >= wanted[kind]:
            out.difference_update(block)
            held[kind] -= rows
        elif block[0] not in out and held[kind] + rows <= wanted[kind]:
            out.update(block)
            held[kind] += rows
    return list(out)


def _with_classes_left(taken: list[int], blocks: Sequence[list[int]], kinds: Sequence[Hashable]) -> list[int]:
    """What is taken, less blocks without which a class would have no row left."""
    out = set(taken)
    left = Counter(kinds[i] for i in range(len(kinds)) if i not in out)
    if len(left) == len(set(kinds)):
        return taken
    for block in sorted((each for each in blocks if each[0] in out), key=len):
        if any(not left[kinds[i]] for i in block):
            out.difference_update(block)
            left.update(kinds[i] for i in block)
    return [i for i in taken if i in out]


def _split_off_groups(
    split: Split,
    units: list[list[int]],
    size: int,
    kinds: Sequence[Hashable],
    rng: random.Random,
    *,
    name: str,
    where: str,
) -> tuple[list[int], list[int]]:
    """`split_off` by whole groups, in random order: each that brings the part nearer to its share of every class."""
    rng.shuffle(units)
    holding = Counter(kind for unit in units for kind in {kinds[i] for i in unit})
    lacking = {kind: size * count / len(split) for kind, count in Counter(kinds).items()}
    taken: list[int] = []

    def can_leave(unit: Sequence[int]) -> bool:
        return all(holding[kind] > 1 for kind in {kinds[i] for i in unit})

    def take(unit: Sequence[int], counts: Mapping[Hashable, int]) -> None:
        taken.extend(unit)
        for kind, count in counts.items():
            lacking[kind] -= count
            holding[kind] -= 1

    for unit in units:
        counts = Counter(kinds[i] for i in unit)
        if can_leave(unit) and sum(count * (count - 2 * lacking[kind]) for kind, count in counts.items()) < 0:
            take(unit, counts)
    if not taken:
        taken = min((unit for unit in units if can_leave(unit)), key=len, default=[])
    if not taken:
        named = len(set(split.groups or ()))
        connected_to = f" (of {named}, which texts that they share connect)" if named > len(units) else ""
        groups = "one group is" if len(units) == 1 else f"{len(units)} groups are"
        raise DataError(
            f"{groups} too few to split off a {name} part{connected_to}: some class is in one group alone",
            where=where,
            hint=f"add rows of other groups, or give a {name} part of its own",
        )
    out = set(taken)
    return [i for i in range(len(split)) if i not in out], sorted(taken)


def sample(split: Split, size: int, task: TaskKind, seed: int, *, name: str, every_class: bool) -> list[int]:
    """`size` positions in the order of the file, each class in proportion.

    Args:
        every_class: keep at least one row of each class, if `size` allows it: for train.
    """
    if size >= len(split):
        return list(range(len(split)))
    rng = seeded_rng(seed, f"sample {name}")
    members: dict[Hashable, list[int]] = defaultdict(list)
    for position, kind in enumerate(task_of(task).strata(split.targets)):
        members[kind].append(position)
    counts = {kind: len(each) for kind, each in members.items()}
    least = 1 if every_class and size >= len(members) else 0
    shares = _shares(counts, size, rng, least=least)
    return sorted(i for kind, share in shares.items() for i in rng.sample(members[kind], share))


def seeded_rng(seed: int, purpose: str) -> random.Random:
    """Random numbers for one purpose."""
    # Seeded by text: Python hashes it with SHA-512, the same on every machine and version.
    return random.Random(f"liftune {purpose} {seed}")


def _shares(
    counts: Mapping[Hashable, int],
    size: int,
    rng: random.Random,
    *,
    least: int = 0,
    most: Mapping[Hashable, int] | None = None,
) -> dict[Hashable, int]:
    """`size` divided in proportion to counts by largest remainder, between `least` and `most` of each."""
    most = counts if most is None else most
    total = sum(counts.values())
    exact = {kind: size * count / total for kind, count in counts.items()}
    shares = {kind: min(max(int(exact[kind]), least), most[kind]) for kind in counts}
    order = list(counts)
    rng.shuffle(order)  # equal remainders: at random, not by position in the file
    while (short := size - sum(shares.values())) > 0:
        open_kinds = sorted(
            (kind for kind in order if shares[kind] < most[kind]), key=lambda kind: shares[kind] - exact[kind]
        )
        if not open_kinds:
            break
        for kind in open_kinds[:short]:
            shares[kind] += 1
    while sum(shares.values()) > size:
        shares[max((kind for kind in order if shares[kind] > least), key=lambda kind: shares[kind] - exact[kind])] -= 1
    return shares


def _drawn(groups: Sequence[list[int]], quota: int, rng: random.Random) -> list[int]:
    """Whole groups in random order, up to `quota` rows; at least one group stays."""
    order = list(range(len(groups)))
    rng.shuffle(order)
    taken: list[int] = []
    chosen = 0
    for i in order:
        if len(taken) == quota or chosen == len(groups) - 1:
            break
        if len(taken) + len(groups[i]) <= quota:
            taken += groups[i]
            chosen += 1
    if not taken and quota and len(groups) > 1:  # one that is too large, where the part is nearer its share with it
        smallest = min(groups, key=len)
        taken = list(smallest) if len(smallest) < 2 * quota else taken
    return taken


def _smallest(strata_groups: Sequence[Sequence[list[int]]]) -> list[int]:
    every = [group for groups in strata_groups for group in groups]
    return min(every, key=lambda group: len(group)) if every else []
