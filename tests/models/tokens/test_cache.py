"""Token ids are the tokenizer's own, made once, and read back only as they were written."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, save_tiny

from liftune.data.batching import length_batches
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.tokens import cache as token_store
from liftune.models.tokens.cache import CHUNK, SMALL, Chunk, TokenCache, Tokens, fingerprint, open_file, prune
from liftune.models.tokens.collator import Collator
from liftune.models.tokens.encoder import RowEncoder
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind
from liftune.types import Row

PIECES = ["a", "bc", " ", "é", "漢", "\n", "</s>", "<|endoftext|>", "[SEP]", "<pad>"]


def text(draw: random.Random) -> str:
    return "".join(draw.choices(PIECES, k=draw.choice([0, 1, 5, 40])))


def some_rows(count: int) -> list[Row]:
    """Single texts and pairs in turn, some empty, some longer than is kept, spelling out special tokens."""
    draw = random.Random(0)
    return [text(draw) if i % 3 else (text(draw), text(draw)) for i in range(count)]


ROWS = some_rows(300)
MANY: list[Row] = [f"row {i} of many" for i in range(SMALL + 10)]


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    folder = tmp_path_factory.mktemp("models")
    return {
        family: load_backbone(
            ModelSpec(name=str(save_tiny(family, folder / family))),
            task=TaskKind("single_label"),
            labels=("a", "b"),
            seed=0,
        )
        for family in FAMILIES
    }


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIFTUNE_CACHE", str(tmp_path))
    return tmp_path / "tokens"


def make(backbone: Backbone, *, max_length: int = 32, on_disk: bool = True) -> Collator:
    return Collator(backbone.model, backbone.tokenizer, max_length, on_disk=on_disk)


def never(rows: Sequence[Row]) -> Chunk:
    pytest.fail("tokenised again")


def listed(tokens: Tokens) -> list[tuple[list[int], list[int] | None, bool]]:
    return [(each.ids.tolist(), None if each.types is None else each.types.tolist(), each.pair) for each in tokens]


@pytest.mark.parametrize("family", FAMILIES)
def test_ids_are_those_of_the_tokenizer_called_on_each_row(family: str, backbones: dict[str, Backbone]) -> None:
    """But for rows without a token, and for end-of-text tokens that a text spelt out where the head looks for one."""
    backbone = backbones[family]
    reader = RowEncoder(backbone.model, backbone.tokenizer, 32)
    tokens = make(backbone).encode(ROWS)
    separator = "\n" if family in ("gpt2", "qwen2", "qwen3") else ""
    for row, encoded in zip(ROWS, tokens, strict=True):
        texts = (row,) if isinstance(row, str) else (row[0], separator + row[1])
        found = backbone.tokenizer([texts[0]], [texts[1]] if len(texts) == 2 else None, truncation=True, max_length=32)
        expected = found["input_ids"][0] or [reader.pad]
        assert len(encoded) == len(expected)
        assert encoded.pair is isinstance(row, tuple)
        if family in ("bart", "t5"):  # their heads read the state at the end of text
            eos = backbone.model.config.eos_token_id
            differ = encoded.ids != np.array(expected)
            assert set(np.array(expected)[differ]) <= {eos}
            assert (encoded.ids == eos).sum() == list(backbone.tokenizer("", *[""] * encoded.pair)["input_ids"]).count(
                eos
            )
        else:
            assert encoded.ids.tolist() == expected
        if reader.reads_types:
            assert encoded.types is not None
            assert encoded.types.tolist() == (found["token_type_ids"][0] or [0])
        else:
            assert encoded.types is None


def test_a_tokenizer_with_rules_in_code_is_called_as_it_is_and_keeps_nothing_on_disk(
    backbones: dict[str, Backbone], cache: Path
) -> None:
    """What its code does is in no fingerprint."""
    backbone = backbones["bert"]

    class Loud(type(backbone.tokenizer)):  # type: ignore[misc]
        def _encode_plus(self, text, *args, **more):  # type: ignore[no-untyped-def]
            upper = text.upper() if isinstance(text, str) else [each.upper() for each in text]
            return super()._encode_plus(upper, *args, **more)

    loud = Loud(tokenizer_object=backbone.tokenizer.backend_tokenizer, model_input_names=["input_ids"])
    loud.add_special_tokens({"unk_token": "[UNK]"})
    batcher = Collator(backbone.model, loud, 32)
    assert listed(batcher.encode(["abc"])) == listed(Collator(backbone.model, loud, 32).encode(["ABC"]))
    batcher.encode(MANY)
    assert not cache.exists()


@pytest.mark.parametrize("family", ["bert", "xlnet", "gpt2"])
def test_a_batch_is_padded_on_the_models_side(family: str, backbones: dict[str, Backbone]) -> None:
    batcher = make(backbones[family])
    tokens = batcher.encode(["ab", "abcdef", ("a", "b"), ""])
    batch = batcher.collate(tokens)
    longest = max(len(each) for each in tokens)
    assert ("token_type_ids" in batch) is (family != "gpt2")
    for values in batch.values():
        assert values.shape == (4, longest)
        assert values.dtype == torch.long
    for i, each in enumerate(tokens):
        empty = longest - len(each)
        place = slice(empty, None) if family == "xlnet" else slice(0, len(each))
        assert batch["input_ids"][i, place].tolist() == each.ids.tolist()
        assert batch["attention_mask"][i, place].all()
        assert int(batch["attention_mask"][i].sum()) == len(each)
        if each.types is not None:
            assert batch["token_type_ids"][i, place].tolist() == each.types.tolist()


@pytest.mark.parametrize("exact", [False, True])
def test_batches_hold_every_row_once_within_the_budget(exact: bool, backbones: dict[str, Backbone]) -> None:
    tokens = make(backbones["bert"]).encode(ROWS)
    batches = list(length_batches(tokens.lengths, rows=256, tokens=200, kinds=tokens.pairs, exact=exact))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(ROWS)))
    for batch in batches:
        assert tokens.lengths[batch].max() * len(batch) <= 200
        assert len(set(tokens.pairs[batch])) == 1
        assert len(set(tokens.lengths[batch])) == 1 or not exact
    assert tokens.lengths[batches[0]].max() == tokens.lengths[~tokens.pairs].max()


def test_no_rows_are_no_tokens(backbones: dict[str, Backbone]) -> None:
    tokens = make(backbones["bert"]).encode([])
    assert (len(tokens), tokens.total, tokens.lengths.shape) == (0, 0, (0,))
    assert list(length_batches(tokens.lengths, rows=256, tokens=100, kinds=tokens.pairs)) == []


def test_tokens_are_a_sequence(backbones: dict[str, Backbone]) -> None:
    rows = [*ROWS, *MANY[:CHUNK]]
    tokens = make(backbones["bert"]).encode(rows)
    assert len(tokens) == len(rows)
    assert tokens.lengths.tolist() == [len(each) for each in tokens]
    assert tokens.total == tokens.lengths.sum()
    assert tokens[-1].ids.tolist() == tokens[len(rows) - 1].ids.tolist()
    assert [len(each) for each in tokens[CHUNK - 1 : CHUNK + 1]] == tokens.lengths[CHUNK - 1 : CHUNK + 1].tolist()
    assert tokens[np.int64(3)].ids.tolist() == tokens[3].ids.tolist()
    with pytest.raises(IndexError):
        tokens[len(rows)]


@pytest.mark.parametrize("rows", [ROWS, MANY], ids=["memory", "file"])
def test_tokens_do_not_change(rows: list[Row], backbones: dict[str, Backbone], cache: Path) -> None:
    tokens = make(backbones["bert"]).encode(rows)
    for values in (tokens[0].ids, tokens[0].types, tokens.lengths, tokens.pairs):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


def test_many_rows_are_read_from_disk_the_second_time(
    backbones: dict[str, Backbone], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*MANY, *ROWS]
    made = make(backbones["bert"]).encode(rows)
    assert made.mapped
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(RowEncoder, "chunk", lambda self, rows: never(rows))
    read = make(backbones["bert"]).encode(tuple(rows))
    assert listed(read) == listed(made)
    assert listed(read) == listed(Tokens(read._chunks))
    monkeypatch.undo()
    assert listed(read) == listed(make(backbones["bert"], on_disk=False).encode(rows))


def test_few_rows_are_remembered_without_a_file(
    backbones: dict[str, Backbone], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation is answered after each epoch."""
    batcher = make(backbones["bert"])
    made = batcher.encode(ROWS)
    monkeypatch.setattr(RowEncoder, "chunk", lambda self, rows: never(rows))
    assert batcher.encode(tuple(ROWS)) is made
    assert not cache.exists()


def test_what_was_not_asked_for_lately_is_forgotten() -> None:
    store = TokenCache(lambda: None, None)
    for i in range(20):
        store.tokens([str(i)], lambda rows: chunk_of([len(row) for row in rows]))
    assert len(store._remembered) == token_store.REMEMBERED


def test_rows_too_many_to_remember_are_not_kept_in_memory_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_store, "REMEMBERED_BYTES", 100)
    store = TokenCache(lambda: None, None)
    for rows in (["a"], ["b"]):
        store.tokens(rows, lambda rows: chunk_of([10] * len(rows)))
    store.tokens(["c"], lambda rows: chunk_of([1000] * len(rows)))
    assert [each.bytes_held for each in store._remembered.values()] == [40, 40]


def chunk_of(lengths: Sequence[int]) -> Chunk:
    offsets = np.cumsum([0, *lengths], dtype=np.int32)
    return Chunk(np.arange(offsets[-1], dtype=np.int32), offsets, np.zeros(len(lengths), dtype=np.bool_))


@pytest.mark.parametrize(
    "other",
    [
        {"max_length": 31},
        {"family": "distilbert"},
        {"rows": [*MANY[:-1], "another"]},
        {"rows": MANY[:-1]},
        {"rows": [*MANY[2:], *MANY[:2]]},
    ],
    ids=["length", "rules", "text", "count", "order"],
)
def test_what_was_made_of_anything_else_is_not_taken(
    other: dict[str, object], backbones: dict[str, Backbone], cache: Path
) -> None:
    make(backbones["bert"]).encode(MANY)
    asked = {"family": "bert", "rows": MANY, "max_length": 32, **other}
    make(backbones[asked["family"]], max_length=asked["max_length"]).encode(asked["rows"])
    assert len(list(cache.iterdir())) == 2


def test_the_tokenizers_last_call_does_not_change_its_identity(backbones: dict[str, Backbone]) -> None:
    """A tokenizer keeps the truncation of its last call among its rules."""
    backbone = backbones["roberta"]
    reader = RowEncoder(backbone.model, backbone.tokenizer, 32)
    before = reader.identity()
    backbone.tokenizer(["a", "bc"], truncation=True, max_length=7, padding=True)
    assert reader.identity() == before
    backbone.tokenizer.add_tokens(["bc"])
    assert reader.identity() != before


def test_texts_cannot_be_mistaken_for_others() -> None:
    same = [["ab", "c"], ["a", "bc"], ["abc"], [("a", "bc")], [("ab", "c")], ["1:a"], ["a", ""], ["", "a"], ["\ud800"]]
    assert len({fingerprint(rows) for rows in same}) == len(same)


@pytest.mark.parametrize("damage", ["empty", "cut", "cut in half", "flipped", "garbage", "another's", "folder"])
def test_a_damaged_file_is_made_again(damage: str, backbones: dict[str, Backbone], cache: Path) -> None:
    expected = listed(make(backbones["bert"]).encode(MANY))
    [path] = cache.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    if damage == "another's":
        path.unlink()
        make(backbones["bert"]).encode(ROWS * 20)
        [other] = cache.iterdir()
        other.rename(path)
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        contents = {
            "empty": b"",
            "cut": whole[:-1],
            "cut in half": whole[:middle],
            "flipped": flipped,
            "garbage": os.urandom(len(whole)),
        }
        path.write_bytes(contents[damage])
    again = make(backbones["bert"]).encode(MANY)
    assert listed(again) == expected
    assert again.mapped is (damage != "folder")
    if damage != "folder":
        assert path.read_bytes() == whole


@pytest.mark.parametrize("failing", ["tempfile.mkstemp", "os.replace"])
def test_a_folder_that_cannot_be_written_costs_memory_not_the_run(
    failing: str, backbones: dict[str, Backbone], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(failing, full)
    tokens = make(backbones["bert"]).encode(MANY)
    assert len(tokens) == len(MANY)
    assert not tokens.mapped
    assert list(cache.iterdir()) == []


def test_a_cache_in_place_of_which_there_is_a_file_is_no_error(backbones: dict[str, Backbone], cache: Path) -> None:
    cache.write_text("not a folder")
    assert len(make(backbones["bert"]).encode(MANY)) == len(MANY)


def test_a_stop_in_the_middle_leaves_nothing_behind(backbones: dict[str, Backbone], cache: Path) -> None:
    batcher = make(backbones["bert"])
    with pytest.raises(TypeError):
        batcher.encode([*MANY, 3])  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        batcher._cache.tokens(MANY, interrupt)
    assert list(cache.iterdir()) == []


def interrupt(rows: Sequence[Row]) -> Chunk:
    raise KeyboardInterrupt


def test_files_not_used_for_longest_go_first(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    prune(tmp_path, 25, keep=tmp_path / "d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "d"]


def test_reading_a_file_counts_as_using_it(backbones: dict[str, Backbone], cache: Path) -> None:
    make(backbones["bert"]).encode(MANY)
    [path] = cache.iterdir()
    os.utime(path, (1000, 1000))
    assert open_file(path) is not None
    assert path.stat().st_mtime > 1000


def test_only_its_owner_reads_a_file_of_texts(backbones: dict[str, Backbone], cache: Path) -> None:
    make(backbones["bert"]).encode(MANY)
    [path] = cache.iterdir()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("names", [set(), {"token-cache"}])
def test_the_plan_says_whether_there_are_files(names: set[str], backbones: dict[str, Backbone], cache: Path) -> None:
    classifier = attach(backbones["bert"], None, plan=Plan(accelerations=frozenset(names)))
    assert classifier.encode(MANY).mapped is bool(names)
    assert cache.exists() is bool(names)


def test_tokens_of_a_file_are_not_held_in_memory(backbones: dict[str, Backbone], cache: Path) -> None:
    """A token is four bytes, and one of type, on disk; in memory a row is its place, whatever its length."""
    tokens = make(backbones["bert"]).encode(MANY)
    [path] = cache.iterdir()
    assert tokens.bytes_held == 0
    assert path.stat().st_size < 5 * tokens.total + 5 * 4 * len(tokens)
    assert make(backbones["bert"], on_disk=False).encode(MANY).bytes_held == 5 * tokens.total


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from liftune.models.tokens.cache import Chunk, TokenCache
def chunk(rows):
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * 512
    return Chunk(np.ones(offsets[-1], dtype=np.int32), offsets, np.zeros(len(rows), dtype=bool))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
store = TokenCache(lambda: "", Path(sys.argv[1]))
store.tokens(["a"] * 5_000, chunk)
before = peak()
tokens = store.tokens(["b"] * 50_000, chunk)
print(peak() - before, tokens.total * 4 // 1024)
"""


def test_ten_times_the_rows_take_the_same_memory(tmp_path: Path) -> None:
    """Written chunk by chunk, checked without the map: 100 MB of ids must not pass through memory at once."""
    pytest.importorskip("resource")
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split()
    grown, written = (int(each) for each in out)
    assert written == 100_000
    assert grown < written / 4
