"""sample:emotions keeps what its card promises."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
from scipy.sparse import csr_array

LABELS = ("anger", "fear", "joy", "love", "sadness", "surprise")
PARTS = ("train", "validation", "test")
SHELF = files("liftune.data") / "sample" / "emotions"

#: Words of a label's own family: the label, what is derived from it, and the plain adjective for who feels it.
FAMILIES = {
    "anger": r"anger\w*|angr\w*",
    "fear": r"fear\w*|afraid",
    "joy": r"joy\w*|enjoy\w*|rejoic\w*|happy|happi\w*",
    "love": r"love\w*|loving\w*|belove\w*|unlove\w*",
    "sadness": r"sad|sad(?:ness|ly|der|dest|den\w*)|unhapp\w*",
    "surprise": r"surpris\w*",
}
#: Near duplicates share more of their five-character shingles than this (Jaccard similarity).
MOST_ALIKE = 0.35

Row = tuple[str, str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """(part, text, label) of every row."""
    found = []
    for part in PARTS:
        for line in (SHELF / f"{part}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            assert set(row) == {"text", "label"}
            found.append((part, row["text"], row["label"]))
    return found


def plain(text: str) -> str:
    """A text without case, punctuation and spacing, so that these hide no duplicate."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def similarities(texts: list[str]) -> np.ndarray:
    """(N, N) Jaccard similarities of the texts' sets of five-character shingles, nought on the diagonal."""
    vocabulary: dict[str, int] = {}
    indices: list[int] = []
    starts = [0]
    for text in texts:
        shingles = {text[i : i + 5] for i in range(max(1, len(text) - 4))}
        indices += [vocabulary.setdefault(each, len(vocabulary)) for each in shingles]
        starts.append(len(indices))
    sets = csr_array((np.ones(len(indices), dtype=np.float32), indices, starts), shape=(len(texts), len(vocabulary)))
    sizes = np.diff(starts)
    shared = (sets @ sets.T).toarray()
    alike = shared / (sizes[:, None] + sizes[None, :] - shared)
    np.fill_diagonal(alike, 0.0)
    return alike


def test_the_near_duplicate_measure_is_the_jaccard_similarity_of_shingles():
    a, b, c = "abcdefg", "abcdefh", "zzzzzz"
    # a: abcde bcdef cdefg; b: abcde bcdef cdefh: two of four are shared
    assert similarities([a, b, c]) == pytest.approx(np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]))


def test_it_is_large_enough_to_tell_models_apart(rows):
    counts = Counter(part for part, _, _ in rows)
    assert sum(counts.values()) >= 1_200
    assert counts["test"] >= 360
    assert all(counts[part] for part in PARTS)


def test_every_part_is_balanced_over_the_six_labels(rows):
    for part in PARTS:
        counts = Counter(label for where, _, label in rows if where == part)
        assert sorted(counts) == sorted(LABELS)
        assert len(set(counts.values())) == 1, f"{part}: {counts}"


def test_every_sentence_has_six_to_thirty_words(rows):
    assert [text for _, text, _ in rows if not 6 <= len(text.split()) <= 30] == []


def test_every_sentence_is_clean_text(rows):
    assert [text for _, text, _ in rows if text != text.strip() or not text.isprintable()] == []


def test_no_sentence_occurs_twice_in_or_between_parts(rows):
    counts = Counter(plain(text) for _, text, _ in rows)
    assert [text for text, times in counts.items() if times > 1] == []


def test_no_two_sentences_are_nearly_alike(rows):
    """A near duplicate across parts leaks; one inside a part is a template."""
    texts = [plain(text) for _, text, _ in rows]
    alike = similarities(texts)
    found = [(rows[i][1], rows[j][1], alike[i, j]) for i, j in np.argwhere(alike > MOST_ALIKE) if i < j]
    assert found == []


@pytest.mark.parametrize("label", LABELS)
def test_the_emotion_is_mostly_shown_and_not_named(rows, label):
    """A word of the label's own family stands in under a tenth of its rows."""
    texts = [text for _, text, which in rows if which == label]
    named = [text for text in texts if re.search(rf"\b(?:{FAMILIES[label]})\b", text.casefold())]
    assert len(named) < len(texts) / 10, named


def test_the_card_counts_the_rows_as_they_are(rows):
    card = (SHELF / "CARD.md").read_text(encoding="utf-8")
    for part in PARTS:
        of_part = [row for row in rows if row[0] == part]
        assert f"| {part} | {len(of_part):,} | {len(of_part) // len(LABELS)} |" in card
    assert "CC0" in card
