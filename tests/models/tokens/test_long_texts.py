"""Texts that are longer than the model reads: cut, first and last part, or windows; the same in every family."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_adapters import PACKED
from tiny_models import FAMILIES, save_tiny

from liftune.errors import SpecError
from liftune.hardware.plan import Plan
from liftune.models.adapter_io import open_adapter, read_card, save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.models.tokens.cache import CHUNK, open_file, write_file
from liftune.models.tokens.encoder import RowEncoder
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind
from liftune.types import Row

LABELS = ("a", "b", "c")
LONG = " ".join(f"w{i}" for i in range(30))
ROWS: list[Row] = ["short", LONG, "", "x" * 60]
PAIRS: list[Row] = [("short", "too"), ("a question", LONG), (LONG, "an answer"), (LONG, LONG[::-1]), ("", LONG)]


def classifier_of(
    folder: Path, long: str = "windows", *, method: str | None = None, plan: Plan | None = None, **options: Any
) -> Classifier:
    spec = ModelSpec.model_validate({"name": str(folder), "max_length": 24, "long": long, **options})
    backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0)
    return attach(backbone, METHODS[method] if method else None, plan=plan)


def whole_ids(classifier: Classifier, row: Row) -> list[int]:
    """As the model would read it without a limit."""
    backbone = classifier.backbone
    chunk = RowEncoder(backbone.model, backbone.tokenizer, 10_000).chunk([row])
    return chunk.row(0).ids.tolist()


def windows_of(classifier: Classifier, row: Row) -> list[list[int]]:
    encoded = classifier.encode([row])[0]
    ends = np.cumsum([0, *(encoded.windows or (len(encoded),))])
    return [encoded.ids[start:stop].tolist() for start, stop in itertools.pairwise(ends)]


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_hold_every_token_of_the_text_and_no_more_than_the_limit(family: str, tmp_path: Path) -> None:
    classifier = classifier_of(save_tiny(family, tmp_path / family), window_overlap=4)
    whole = whole_ids(classifier, LONG)
    windows = windows_of(classifier, LONG)
    assert max(map(len, windows)) <= 24
    assert len(windows) > 2
    special = [token for token in whole_ids(classifier, "") if len(whole_ids(classifier, "")) < 4]
    text = [token for token in whole if token not in special]
    inner = [[token for token in window if token not in special] for window in windows]
    joined = inner[0]
    for window in inner[1:]:
        assert joined[-4:] == window[:4]
        joined = joined + window[4:]
    assert joined == text
    assert windows_of(classifier, "short") == [whole_ids(classifier, "short")]


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "t5", "xlnet", "llama"])
def test_of_a_pair_the_longer_text_is_windowed_and_the_shorter_stands_in_each(family: str, tmp_path: Path) -> None:
    classifier = classifier_of(save_tiny(family, tmp_path / family))
    short = [token for token in whole_ids(classifier, ("dog", "")) if token not in whole_ids(classifier, ("", ""))]
    for row in (("dog", LONG), (LONG, "dog")):
        windows = windows_of(classifier, row)
        assert len(windows) > 2
        assert all(len(window) <= 24 for window in windows)
        assert all(set(short) <= set(window) for window in windows)
    both = windows_of(classifier, (LONG, LONG[::-1]))
    assert all(len(window) <= 24 for window in both)


def test_head_tail_keeps_a_quarter_of_the_beginning_and_the_end(tmp_path: Path) -> None:
    classifier = classifier_of(save_tiny("bert", tmp_path / "bert"), "head-tail")
    whole = whole_ids(classifier, LONG)
    (read,) = windows_of(classifier, LONG)
    assert len(read) == 24
    assert read == [*whole[:7], *whole[-17:]]  # [CLS] and 6 of 22; 16 and [SEP]


def test_cut_reads_what_it_always_read(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "bert")
    for row in (*ROWS, *PAIRS):
        cut, unsaid = (windows_of(classifier_of(folder, rule), row) for rule in ("cut", "auto"))
        assert cut == unsaid
        assert len(cut) == 1


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize(
    ("family", "method", "plan"),
    [("bert", None, Plan()), ("bert", "lora", PACKED), ("gpt2", "prompt", Plan()), ("xlnet", None, Plan())],
)
def test_a_rows_logits_are_pooled_from_its_windows(
    pooling: str, family: str, method: str | None, plan: Plan, tmp_path: Path
) -> None:
    folder = save_tiny(family, tmp_path / family)
    classifier = classifier_of(folder, method=method, plan=plan, window_pooling=pooling)
    encoded = classifier.encode(ROWS)
    with torch.inference_mode():
        expected = []
        for row in encoded:
            ends = np.cumsum([0, *(row.windows or (len(row),))])
            parts = [
                classifier.forward(classifier.collate([_part(row, start, stop)]))[0].numpy()
                for start, stop in itertools.pairwise(ends)
            ]
            expected.append(np.max(parts, axis=0) if pooling == "max" else np.mean(parts, axis=0))
    np.testing.assert_allclose(classifier.logits(ROWS), expected, atol=2e-5)


def _part(row: Any, start: int, stop: int) -> Any:
    types = None if row.types is None else row.types[start:stop]
    return type(row)(row.ids[start:stop], types, row.pair)


@pytest.mark.parametrize(
    ("long", "options"),
    [("head-tail", {}), ("windows", {}), ("windows", {"window_overlap": 3, "window_pooling": "max"})],
)
def test_a_reloaded_adapter_reads_long_texts_as_before(long: str, options: dict[str, Any], tmp_path: Path) -> None:
    classifier = classifier_of(save_tiny("bert", tmp_path / "bert"), long, method="lora", **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    card = save_adapter(classifier, tmp_path / "adapter")
    assert card.long == long
    again = open_adapter(tmp_path / "adapter")
    assert [row.windows for row in again.encode(ROWS)] == [row.windows for row in classifier.encode(ROWS)]
    np.testing.assert_allclose(again.logits(ROWS), classifier.logits(ROWS), atol=1e-5)
    kept = read_card(tmp_path / "adapter")
    assert kept.window_overlap == (None if long == "head-tail" else options.get("window_overlap", 6))
    assert kept.window_pooling == (None if long == "head-tail" else options.get("window_pooling", "mean"))


def test_rules_of_long_texts_are_part_of_the_tokens_identity(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "bert")
    asked: list[dict[str, Any]] = [{}, {"window_overlap": 3}, {"window_pooling": "max"}]
    made = [classifier_of(folder, rule) for rule in ("cut", "head-tail")]
    made += [classifier_of(folder, **options) for options in asked]
    assert len({each._collator._encoder.identity() for each in made}) == 5


def test_windows_and_their_pooling_survive_the_disk_where_only_a_late_row_is_long(tmp_path: Path) -> None:
    classifier = classifier_of(save_tiny("bert", tmp_path / "bert"), window_pooling="max")
    rows = ["short"] * CHUNK + [LONG]
    encoded = classifier.encode(rows)
    write_file(tmp_path / "tokens.arrow", encoded._chunks)
    read = open_file(tmp_path / "tokens.arrow")
    assert read is not None
    assert read[CHUNK].windows == encoded[CHUNK].windows
    assert len(read[CHUNK].windows) > 2
    assert read[CHUNK].pooling == "max"
    sent = pickle.loads(pickle.dumps(encoded))  # to other processes of a command
    assert (sent[CHUNK].windows, sent[CHUNK].pooling) == (encoded[CHUNK].windows, "max")


def test_a_book_is_read_up_to_a_limit(tmp_path: Path) -> None:
    classifier = classifier_of(save_tiny("bert", tmp_path / "bert"))
    (book,) = classifier.encode(["x" * 20_000])
    assert len(book.windows) == 8_192 // 24


@pytest.mark.parametrize(
    ("options", "where", "said"),
    [
        ({"max_length": 200}, "--max-length", "longer than the model reads: 128"),
        ({"window_overlap": 13}, "--window-overlap", "half of their tokens at most"),
    ],
)
def test_windows_that_make_no_sense_are_refused(options: dict[str, int], where: str, said: str, tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "bert")
    with pytest.raises(SpecError) as caught:
        classifier_of(folder, **options)
    assert caught.value.where == where
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window_overlap": 0}, "--window-overlap: must be greater than 0"),
        ({"long": "cut", "window_overlap": 5}, "--window-overlap: is for windows, and --long is cut"),
        ({"long": "head-tail", "window_pooling": "max"}, "--window-pooling: is for windows, and --long is head-tail"),
    ],
)
def test_options_of_windows_without_windows_are_refused(options: dict[str, Any], said: str) -> None:
    from liftune.spec import RunSpec

    with pytest.raises(SpecError) as caught:
        RunSpec.of(data="rows.csv", **options)
    assert said in caught.value.message
