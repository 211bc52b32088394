"""Texts in one file and their labels in another, a line each, as TweetEval, SNIPS and many others lay them out.

In: a folder with `train_text.txt` and `train_labels.txt`, or `train.txt` and `train.labels`, or `sentences.txt` and
`labels.txt`; a file such as mapping.txt may name the labels.  Out: a Table of each pair.
Not here: which part is which (part_names.py), other folders (folders.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from liftune.data.readers.fasttext import is_fasttext
from liftune.data.readers.options import FileOptions
from liftune.data.readers.table import Table
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError, first_of

_OF_LABELS = "label labels class classes target targets y gold sentiment sentiments intent intents"
_OF_TEXTS = """
text texts sentence sentences sent sents tweet tweets doc docs document documents review reviews comment comments
utterance utterances message messages input inputs source x seq in
"""
_OF_NAMES = "mapping map names label2id id2label label2idx idx2label classes"
_LABELS, _TEXTS, _NAMING = (frozenset(words.split()) for words in (_OF_LABELS, _OF_TEXTS, _OF_NAMES))
_EXTENSIONS = frozenset({"", ".txt", ".text", ".label", ".labels", ".lab", ".in", ".texts", ".y", ".x", ".gold"})
_NAMED = 10
_PAIR = re.compile(r"([^\s:,;=]+)(?:\s*[:,;=]\s*|\s+)(\S.*)")
#: Bytes that show what a file holds, and words of a label.
_LOOKED_AT, _MOST_WORDS = 4_096, 4


@dataclass(frozen=True)
class Pair:
    """Two files of one part."""

    name: str
    """Of the part; empty where their names say nothing but what they hold."""
    texts: Path
    labels: Path
    naming: Path | None = None

    @property
    def said(self) -> str:
        """What they are."""
        return f"each line of {self.texts.name} is a text, and the same line of {self.labels.name} its label"

    @property
    def files(self) -> frozenset[str]:
        """Their names."""
        return frozenset(each.name for each in (self.texts, self.labels, self.naming) if each)


def find_pairs(folder: Path) -> list[Pair]:
    """The pairs of files in a folder, by their names; none where a file of labels goes with several others."""
    files = [each for each in sorted(folder.iterdir()) if each.is_file() and not each.name.startswith(".")]
    plain = [each for each in files if each.suffix.lower() in _EXTENSIONS]
    words = {each: _words(each.name) for each in plain}
    naming = next((each for each in files if _NAMING & {*_words(each.name)}), None)
    pairs: list[Pair] = []
    for labels in (each for each in plain if _LABELS & {*words[each]}):
        key = [word for word in words[labels] if word not in _LABELS]
        texts = [
            each
            for each in plain
            if not _LABELS & {*words[each]} and [word for word in words[each] if word not in _TEXTS] == key
        ]
        if len(texts) == 1 and labels != naming and _holds_labels(labels) and not is_fasttext(_head(texts[0])):
            pairs.append(Pair("_".join(key), texts[0], labels, naming))
    names = [pair.name for pair in pairs]
    return pairs if len(set(names)) == len(names) else []


def pairs_alone(folder: Path, data: Sequence[str]) -> list[Pair]:
    """The same, unless other data are in the folder.

    Args:
        data: the names of the files in it that are data.
    """
    pairs = find_pairs(folder)
    of_pairs = {name for pair in pairs for name in pair.files}
    return pairs if pairs and {*data} <= of_pairs else []


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LOOKED_AT)


def _holds_labels(path: Path) -> bool:
    """Whether the first lines are short ones."""
    lines = _head(path).splitlines()
    return 2 * sum(len(line.split()) > _MOST_WORDS for line in lines) < len(lines)


def pair_of(path: Path) -> Pair | None:
    """The pair to which a file belongs."""
    return next((pair for pair in find_pairs(path.parent) if path.name in (pair.texts.name, pair.labels.name)), None)


def parts_of_pairs(
    pairs: Sequence[Pair], folder: Path, options: FileOptions
) -> tuple[dict[str, Callable[[], Table]], list[str]]:
    """What reads each pair, by the name of its part, and what is said of them."""
    named = len(pairs) > 1
    parts: dict[str, Callable[[], Table]] = {
        pair.name if named else "rows": partial(read_pair, pair, pair.name if named else "rows", options)
        for pair in pairs
    }
    return parts, [f"{folder}: {pair.said}" for pair in pairs]


def read_pair(pair: Pair, name: str, options: FileOptions) -> Table:
    """Two files as columns text and label.

    Raises:
        DataError: one of them has more lines than the other.
    """
    (texts, said), (labels, also) = (_lines(path, options) for path in (pair.texts, pair.labels))
    where = f"{pair.texts} and {pair.labels.name}"
    if len(texts) != len(labels):
        raise DataError(
            f"{pair.texts.name} has {len(texts):,} lines, {pair.labels.name} {len(labels):,}: "
            "a line of one cannot be the label of a line of the other",
            where=where,
            hint="give each text one line, and its label the same line of the other file",
        )
    names, note = _names(pair.naming, labels, options)
    columns = {"text": texts, "label": [names.get(label.strip(), label) for label in labels]}
    return Table(
        name,
        where,
        tuple(columns),
        len(texts),
        lambda column: list(columns[column]),
        lines=range(1, len(texts) + 1),
        typed=False,
        notes=(*said, *also, *note),
    )


def _words(name: str) -> list[str]:
    words = re.findall(r"[^\W_]+", name.casefold())
    return words[:-1] if len(words) > 1 and words[-1] == "txt" else words


def _lines(path: Path, options: FileOptions) -> tuple[list[str], tuple[str, ...]]:
    file = RawFile(path.name, str(path), path.read_bytes(), options)
    lines = [line.removesuffix("\r") for line in file.text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines, file.decoding.notes


def _names(path: Path | None, labels: Sequence[str], options: FileOptions) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Label as it stands -> its name, where a file names them all, and what is said of it."""
    if path is None:
        return {}, ()
    lines = [line for line in _lines(path, options)[0] if line.strip()]
    held = {label.strip() for label in labels}
    matches = [_PAIR.fullmatch(line.strip()) for line in lines]
    there = [(match[1], match[2]) for match in matches if match]
    numbered = [(str(i), line.strip()) for i, line in enumerate(lines)]
    for pairs in (there, [(name, number) for number, name in there], numbered):
        names = dict(pairs)
        if len(names) == len(lines) and held <= {*names} and not held <= {*names.values()}:
            shown = first_of([f"{number} = {name}" for number, name in names.items()], _NAMED)
            return names, (f"{path.name} names the labels: {shown}",)
    return {}, (f"{path} is not read: it does not name all labels, such as {min(held)!r}",) if held else ()
