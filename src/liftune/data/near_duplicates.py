"""Near duplicates: rows that differ by a word, a letter, casing or punctuation.

In: rows, a threshold.  Out: Near: each row's key, and the links between similar keys.
Not here: what a near duplicate means for train and test (audit.py).

The similarity of two texts is the larger of two Jaccard indices: that of their words, and, for short texts, that of
their character trigrams, which tolerates a different letter within a word and needs no spaces. Of few rows every pair
is compared. Of more, candidates come from MinHash and banding, which may miss one in a hundred of the pairs just at the
threshold; the similarity of each is then computed exactly, so that no reported pair is below the threshold.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.types import Row

Ints = NDArray[np.int64]
Words64 = NDArray[np.uint64]

#: Words, and emoji: often the only difference between two tweets. Each character of a script without spaces is one.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[\u2190-\u2bff\U0001f000-\U0001faff]"
)
#: Texts of more characters are compared by words alone: one letter changes little in them.
_MOST_CHARACTERS = 300
#: Of so many different rows every pair is compared: it takes less than a second at most.
_ALL_PAIRS = 1_000
#: Hash functions of a signature.
_FUNCTIONS = 128
#: A pair just at the threshold becomes a candidate with at least this probability; above it, with a higher one.
_RECALL = 0.99
#: In a bucket of more rows than this, each is compared with the first few and the next few only: in so large a
#: cluster one partner is enough.
_LARGE_BUCKET, _FEW = 32, 8
#: Shingles hashed at once, so that they stay in the CPU's cache; numbers of pairs compared at once, for memory's sake.
_CHUNK, _COMPARED = 2**16, 2**20

Key = tuple[str, ...]


@dataclass(frozen=True)
class Near:
    """Which rows are near duplicates of which.

    Args:
        keys: (N,) rows of one key are equal except for case, punctuation and spaces.
        links: key -> (another key, similarity of at least the threshold); in both directions.
        threshold: of the search.
    """

    keys: Ints
    links: dict[int, tuple[tuple[int, float], ...]]
    threshold: float

    def around(self, key: int) -> Iterator[tuple[int, float]]:
        """The key itself, then those linked to it, most similar first."""
        yield key, 1.0
        yield from self.links.get(key, ())


def find_near(rows: Sequence[Row], threshold: float) -> Near:
    """Every pair of rows with similar texts; pairs of texts are similar if both sides are.

    Args:
        threshold: least similarity, in (0, 1].

    Source: MinHash, Broder (1997); banding, Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
    """
    index: dict[Key, int] = {}
    keys = np.array([index.setdefault(_key(row), len(index)) for row in rows], dtype=np.int64)
    distinct = list(index)
    similar: dict[int, list[tuple[int, float]]] = defaultdict(list)
    pairs = _all_pairs(distinct, threshold) if len(distinct) <= _ALL_PAIRS else _likely_pairs(distinct, threshold)
    for first, second, alike in pairs:
        similar[first].append((second, alike))
        similar[second].append((first, alike))
    links = {key: tuple(sorted(each, key=lambda link: (-link[1], link[0]))) for key, each in similar.items()}
    return Near(keys, links, threshold)


def _all_pairs(keys: Sequence[Key], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Positions of similar keys, the earlier first, and their similarity: every such pair."""
    if not keys:
        return
    alike = np.min([_similarities(side) for side in zip(*keys, strict=True)], axis=0)
    first, second = np.nonzero(np.triu(alike >= threshold, 1))
    yield from zip(first.tolist(), second.tolist(), alike[first, second].tolist(), strict=True)


def _likely_pairs(keys: Sequence[Key], threshold: float) -> Iterator[tuple[int, int, float]]:
    """The same without looking at every pair: hardly any is missed."""
    # A pair is one number, first * N + second.
    candidates = np.array([], dtype=np.int64)
    for members, shingles, starts in (_words(keys), _trigrams(keys)):
        for first, second in _candidates(members, _signatures(shingles, starts), threshold):
            candidates = _once(np.concatenate([candidates, first * len(keys) + second]))
    first, second = np.divmod(candidates, len(keys))
    alike = np.ones(len(first))
    for side in zip(*keys, strict=True):
        alike = np.minimum(alike, _similarities_of(side, first, second))
    near = alike >= threshold
    yield from zip(first[near].tolist(), second[near].tolist(), alike[near].tolist(), strict=True)


def _once(numbers: Ints) -> Ints:
    """Each number once, in order. numpy's own `unique` hashes, which took most of a search's time on such numbers."""
    numbers.sort()
    return numbers[np.concatenate([[True], numbers[1:] != numbers[:-1]])] if len(numbers) else numbers


def similarity(a: Row, b: Row) -> float:
    """Similarity of two rows, 0 to 1.

    >>> similarity("What a great film!", "what a GREAT film")
    1.0
    >>> round(similarity("I feel so very happy today", "I feel so happy today"), 2)
    0.83
    >>> similarity(("one premise", "it holds"), ("one premise", "no way"))
    0.0
    """
    return _similarity(_key(a), _key(b))


def _key(row: Row) -> Key:
    """Each side's words without case and punctuation; a text without words is its own key."""
    return tuple(_plain(text) for text in ((row,) if isinstance(row, str) else row))


def _plain(text: str) -> str:
    folded = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(folded)) or text.strip()


def _similarity(a: Key, b: Key) -> float:
    return min(_text_similarity(x, y) for x, y in zip(a, b, strict=True))


def _text_similarity(a: str, b: str) -> float:
    words = _jaccard(set(a.split(" ")), set(b.split(" ")))
    if words == 1.0 or max(len(a), len(b)) > _MOST_CHARACTERS:
        return words
    return max(words, _jaccard(_trigrams_of(a), _trigrams_of(b)))


def _jaccard(a: set[str], b: set[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def _trigrams_of(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def _similarities(texts: Sequence[str]) -> NDArray[np.float64]:
    """(N, N) `_text_similarity` of every two."""
    short = np.array([len(text) <= _MOST_CHARACTERS for text in texts])
    letters = _jaccards([_trigrams_of(text) if brief else set() for text, brief in zip(texts, short, strict=True)])
    return np.maximum(_jaccards([set(text.split(" ")) for text in texts]), np.where(short & short[:, None], letters, 0))


def _similarities_of(texts: Sequence[str], first: Ints, second: Ints) -> NDArray[np.float64]:
    """(P,) `_text_similarity` of each pair."""
    used = _once(np.concatenate([first, second]))
    texts = [texts[i] for i in used.tolist()]
    first, second = np.searchsorted(used, first), np.searchsorted(used, second)
    found = _jaccards_of((set(text.split(" ")) for text in texts), first, second)
    short = np.array([len(text) <= _MOST_CHARACTERS for text in texts], dtype=bool)
    both = np.flatnonzero((found < 1.0) & short[first] & short[second])
    if len(both):
        sets = (_trigrams_of(text) if brief else set() for text, brief in zip(texts, short, strict=True))
        found[both] = np.maximum(found[both], _jaccards_of(sets, first[both], second[both]))
    return found


def _jaccards(sets: Sequence[set[str]]) -> NDArray[np.float64]:
    """(N, N) `_jaccard` of every two; 0 where both are empty."""
    member, sizes = _members(sets)
    shared = (member @ member.T).toarray()
    return np.asarray(shared / np.maximum(sizes + sizes[:, None] - shared, 1))


def _jaccards_of(sets: Iterable[set[str]], first: Ints, second: Ints) -> NDArray[np.float64]:
    """(P,) `_jaccard` of each pair of positions; 0 where both are empty."""
    member, sizes = _members(sets)
    found = np.empty(len(first))
    read = np.cumsum(sizes[first] + sizes[second])
    start = 0
    while start < len(first):
        before = read[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(read, before + _COMPARED, side="right")))
        a, b = first[start:stop], second[start:stop]
        shared = np.asarray(member[a].multiply(member[b]).sum(axis=1))
        found[start:stop] = shared / np.maximum(sizes[a] + sizes[b] - shared, 1)
        start = stop
    return found


def _members(sets: Iterable[set[str]]) -> tuple[Any, Ints]:
    """(N, elements) 1 where a set has an element, a sparse array; and (N,) how many each has."""
    from scipy.sparse import csr_array

    index: dict[str, int] = {}
    columns: list[int] = []
    sizes = []
    for one in sets:
        columns += [index.setdefault(each, len(index)) for each in one]
        sizes.append(len(one))
    ends = np.concatenate([[0], np.cumsum(sizes)])
    shape = len(sizes), max(1, len(index))
    return csr_array((np.ones(len(columns), dtype=np.int32), columns, ends), shape=shape), np.array(
        sizes, dtype=np.int64
    )


# Shingles: each row's words or trigrams as hashed numbers, one row after the other ------------------------------------


def _words(keys: Sequence[Key]) -> tuple[Ints, Words64, Ints]:
    """(M,) positions of the keys, their words as numbers end to end, and where each key's begin."""
    vocabulary: dict[tuple[int, str], int] = {}
    numbers: list[int] = []
    starts = []
    for key in keys:
        starts.append(len(numbers))
        for side, text in enumerate(key):
            numbers += [vocabulary.setdefault((side, word), len(vocabulary)) for word in dict.fromkeys(text.split(" "))]
    return np.arange(len(keys)), _mixed(np.array(numbers, dtype=np.uint64)), np.array(starts, dtype=np.int64)


def _trigrams(keys: Sequence[Key]) -> tuple[Ints, Words64, Ints]:
    """The same for the character trigrams of short texts."""
    members = [i for i, key in enumerate(keys) if max(map(len, key)) <= _MOST_CHARACTERS]
    texts = [f" {text} " for i in members for text in keys[i]]
    if not texts:
        return np.array([], dtype=np.int64), np.array([], dtype=np.uint64), np.array([], dtype=np.int64)
    sides = len(keys[members[0]])
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    characters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    # A character has 21 bits, so that three of them and the side fit one number: nothing collides.
    codes = characters[:-2] | characters[1:-1] << np.uint64(21) | characters[2:] << np.uint64(42)
    ends = np.cumsum(lengths)
    inside = np.ones(len(characters), dtype=bool)
    inside[ends - 1] = inside[ends - 2] = False
    codes |= (np.repeat(np.arange(len(texts)) % sides, lengths)[:-2].astype(np.uint64)) << np.uint64(63)
    counts = (lengths - 2).reshape(-1, sides).sum(axis=1)
    return np.array(members), _mixed(codes[inside[:-2]]), np.concatenate([[0], np.cumsum(counts)[:-1]])


def _mixed(numbers: Words64) -> Words64:
    """Numbers spread evenly over 64 bits, deterministically. Source: splitmix64, Steele et al. (2014)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


# MinHash and banding --------------------------------------------------------------------------------------------------


def _signatures(shingles: Words64, starts: Ints) -> NDArray[np.uint32]:
    """(N, functions) the least hash of each row's shingles under each function."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2**63, size=_FUNCTIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    terms = rng.integers(0, 2**63, size=_FUNCTIONS, dtype=np.uint64)
    least = np.empty((len(starts), _FUNCTIONS), dtype=np.uint32)
    ends = np.append(starts[1:], len(shingles))
    row = 0
    while row < len(starts):
        stop = max(row + 1, int(np.searchsorted(ends, starts[row] + _CHUNK, side="right")))
        chunk, begins = shingles[starts[row] : ends[stop - 1]], starts[row:stop] - starts[row]
        for i in range(_FUNCTIONS):
            hashed = (chunk * factors[i] + terms[i]) >> np.uint64(32)
            least[row:stop, i] = np.minimum.reduceat(hashed, begins)
        row = stop
    return least


def _candidates(members: Ints, signatures: NDArray[np.uint32], threshold: float) -> Iterator[tuple[Ints, Ints]]:
    """Pairs that share a band and whose signatures agree about as often as the threshold requires, some repeatedly."""
    size = _band_size(threshold)
    # The share of agreeing functions varies around the similarity: up to three standard deviations below are accepted.
    least = threshold - 3.0 * math.sqrt(threshold * (1.0 - threshold) / _FUNCTIONS)
    for start in range(0, _FUNCTIONS - size + 1, size):
        band = np.ascontiguousarray(signatures[:, start : start + size])
        first, second = _sharing(band.view(np.dtype((np.void, band.itemsize * size)))[:, 0])
        pairs = _COMPARED // _FUNCTIONS
        for at in range(0, len(first), pairs):
            a, b = first[at : at + pairs], second[at : at + pairs]
            agree = (signatures[a] == signatures[b]).mean(axis=1) >= least
            yield members[a[agree]], members[b[agree]]


def _band_size(threshold: float) -> int:
    """Functions per band: the most with which a pair at the threshold still shares a band with probability _RECALL."""
    return max(
        size
        for size in range(1, _FUNCTIONS + 1)
        if size == 1 or 1.0 - (1.0 - threshold**size) ** (_FUNCTIONS // size) >= _RECALL
    )


def _sharing(band: NDArray[np.void]) -> tuple[Ints, Ints]:
    """Positions of pairs that have the band in common, the earlier first."""
    _, bucket, counts = np.unique(band, return_inverse=True, return_counts=True)
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(counts)
    pairs: list[tuple[Ints, Ints]] = []
    for i in np.flatnonzero(counts > 1):
        rows = order[ends[i] - counts[i] : ends[i]]
        pairs.extend(_within(rows))
    if not pairs:
        return np.array([], dtype=np.int64), np.array([], dtype=np.int64)
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def _within(rows: Ints) -> Iterable[tuple[Ints, Ints]]:
    """Pairs of one bucket: all, or each row with the first few and the next few."""
    if len(rows) <= _LARGE_BUCKET:
        a, b = np.triu_indices(len(rows), 1)
        yield rows[a], rows[b]
        return
    for step in range(1, _FEW + 1):
        yield rows[:-step], rows[step:]
        yield np.repeat(rows[step - 1], len(rows) - step), rows[step:]
