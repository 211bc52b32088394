"""Gpu: all that a CUDA device is asked, in ten minutes, without a network: one JSON of every mode that fits.

    train, short rows     ours against the fastest stock configuration, rows of 22 tokens
    train, long rows      the same, rows of some 250
    predict               a file of rows answered, against a transformers pipeline
    serve                 requests a second, against FastAPI around a pipeline
    decoder               LoRA on a decoder of 1.5 billion weights, against stock in bfloat16

Weights are drawn from a config and rows are joined from the sample's texts: no accuracy is measured, none is claimed.
Each part is a process of its own, `python -m benchmarks MODE`; one that fails, or that no time is left for, is said,
and the others are run. Without a CUDA device the same runs on the processor, and says so.
In: nothing.  Out: gpu.json; 1 where a part failed.
Not here: parity (`make test-gpu`, which `make bench-gpu` runs first).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import rows, show

ROOT = Path(__file__).parents[1]
#: Sample texts in one long row: about 250 tokens.
JOINED = 14
#: Of both tokenizers; the first pads.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
#: Tokens of a row at most.
LENGTH = 512
#: Rows that are never trained on.
OTHERS = {"validation": 64, "test": 512}
#: Of a model that is drawn: as DistilBERT-base and Qwen2-1.5B have them, and tiny ones, with which this file is tested.
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "whole": {
        "encoder": {"dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12, "vocab_size": 30_522},
        "decoder": {
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "vocab_size": 151_936,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
        },
    },
    "tiny": {
        "encoder": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "vocab_size": 8_000},
        "decoder": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "vocab_size": 8_000,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
        },
    },
}
#: Train rows, by length.
ROWS = {"whole": {"short": 3_200, "long": 640}, "tiny": {"short": 48, "long": 32}}
DECODER_STOCK = "sdpa:16x1:bfloat16"
#: Tried for the encoder, once each: on a GPU a step is not cut, and each try takes as long as its imports.
GRID = ("sdpa:16x1:float32", "sdpa:16x1:bfloat16", "eager:16x1:bfloat16")

Start = Callable[[Sequence[str], float], tuple[int, str]]
"""Runs a command for so many seconds at most: its exit code, and what it printed."""


@dataclass(frozen=True)
class Part:
    """One mode with its options."""

    name: str
    arguments: tuple[str, ...]


def run(arguments: argparse.Namespace, start: Start | None = None) -> int:
    """Make models and rows, run part after part, write what each measured."""
    device = device_name()
    show.say(f"on {device}" if device else "there is no CUDA device: this measures the processor")
    ends = time.monotonic() + 60 * arguments.minutes
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        parts = made_parts(place, arguments.size, arguments.repeats)
        for part in chosen(parts, arguments.parts):
            results[part.name] = measured(part, place / "out" / part.name, ends, start or started)
            show.say(f"{part.name}: {results[part.name].get('missing', 'done')}")
    path = Path(arguments.out) / "gpu.json"
    show.write_json(path, "gpu", vars(arguments), {"device": device, "versions_of_cuda": cuda(), "parts": results})
    return int(any(each.get("missing", "").startswith("failed") for each in results.values()))


def chosen(parts: Sequence[Part], names: Sequence[str]) -> list[Part]:
    """Those that are named; all where none is."""
    unknown = [name for name in names if name not in {part.name for part in parts}]
    if unknown:
        raise SystemExit(f"benchmarks: no part {unknown[0]!r}; there are: {'; '.join(part.name for part in parts)}")
    return [part for part in parts if not names or part.name in names]


def made_parts(place: Path, size: str, repeats: int) -> list[Part]:
    """Every part, on models and rows that are written to a folder."""
    for length, count in ROWS[size].items():
        write_rows(place / length, count, 1 if length == "short" else JOINED)
    encoder, decoder = save_encoder(place, size), save_decoder(place, size)
    short, long = (("--train", str(place / name / "train.jsonl")) for name in ROWS[size])
    test = ("--test", str(place / "short" / "test.jsonl"))
    tried = ("--repeats", str(repeats), "--grid", ",".join(GRID), "--search-rows", str(ROWS[size]["long"]))

    def speed(data: tuple[str, ...], count: int, model: Path, *more: str) -> tuple[str, ...]:
        given = ("--contenders", "best-stock,ours", "--rows", str(count), "--model", str(model))
        return ("speed", *data, *test, *given, *tried, *more)

    of_run = ("--run", str(place / "run"), "--contenders", "pipeline,float32,fastest", "--repeats", str(repeats))
    few = ROWS[size]["short"] // 4
    return [
        Part("train, short rows", speed(short, ROWS[size]["short"], encoder)),
        Part("train, long rows", speed(long, ROWS[size]["long"], encoder)),
        Part("predict", ("predict", *of_run)),
        Part("serve", ("serve", *short, *test, "--model", str(encoder), "--repeats", str(repeats))),
        Part("decoder", speed(short, few, decoder, "--best-stock", DECODER_STOCK, "--max-length", "128")),
    ]


def measured(part: Part, out: Path, ends: float, start: Start) -> dict[str, Any]:
    """What a part wrote, or why there is nothing."""
    left = ends - time.monotonic()
    if left <= 0:
        return {"missing": "not run: no time was left; --minutes gives more, --parts names some"}
    began = time.monotonic()
    if part.name == "predict":
        run_folder = part.arguments[part.arguments.index("--run") + 1]
        code, printed = start(tuning(Path(run_folder)), left)
        if code:
            return {"missing": failure(code, printed)}
    code, printed = start(
        [sys.executable, "-m", "benchmarks", *part.arguments, "--out", str(out)], ends - time.monotonic()
    )
    if code:
        return {"missing": failure(code, printed), "seconds": time.monotonic() - began}
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("*.json"))}
    return {"seconds": time.monotonic() - began, "printed": printed.splitlines(), **found}


def tuning(run_folder: Path) -> list[str]:
    """The command for the run that `predict` answers with."""
    place = run_folder.parent
    given = ["--model", str(place / "encoder"), "--epochs", "1", "--few", "off", "--out", str(run_folder)]
    return [sys.executable, "-m", "liftune", "tune", str(place / "short"), *given]


def failure(code: int, printed: str) -> str:
    """One line of what went wrong."""
    last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "it said nothing")
    return f"not run: no time was left after {last!r}" if code == TIMED_OUT else f"failed with exit code {code}: {last}"


#: The exit code of what was stopped, as of `timeout`; -9 is what was killed for its memory.
TIMED_OUT = 124


def started(command: Sequence[str], seconds: float) -> tuple[int, str]:
    """Run it from the checkout; what it printed is shown too."""
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        printed, _ = process.communicate(timeout=max(0.0, seconds))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its contenders too, which would keep the device busy
        return TIMED_OUT, process.communicate()[0]
    show.say(printed)
    return process.returncode, printed


def write_rows(folder: Path, count: int, joined: int) -> None:
    """Rows of so many of the sample's texts of one label each, drawn by one seed."""
    by_label: dict[str, list[str]] = {}
    for text, label in sample():
        by_label.setdefault(label, []).append(text)
    labels, generator = sorted(by_label), np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name, wanted in {"train": count, **OTHERS}.items():
        lines = []
        for i in range(wanted):
            label = labels[i % len(labels)]
            texts = generator.choice(by_label[label], joined)
            # The number behind leaves no two rows the same.
            lines.append(json.dumps({"text": f"{' '.join(texts)} {name} {i}", "label": label}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@cache
def sample() -> rows.Pairs:
    """What comes with liftune."""
    return rows.listed(rows.read("sample:emotions", None).train)


def save_encoder(place: Path, size: str) -> Path:
    """A DistilBERT of random weights, with a tokenizer of the sample's words."""
    from transformers import AutoModel, DistilBertConfig

    kind: Any = AutoModel
    config = DistilBertConfig(**SIZES[size]["encoder"], pad_token_id=0, max_position_embeddings=LENGTH)
    return save(kind.from_config(config), word_pieces(), place / "encoder")


def save_decoder(place: Path, size: str) -> Path:
    """A Qwen2 of random weights in bfloat16, with a tokenizer of the sample's letters and words."""
    import torch
    from transformers import AutoModel, Qwen2Config

    kind: Any = AutoModel
    config = Qwen2Config(**SIZES[size]["decoder"], pad_token_id=0, max_position_embeddings=2048)
    return save(kind.from_config(config, dtype=torch.bfloat16), pairs_of_bytes(), place / "decoder")


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """The model and its tokenizer in one folder."""
    from transformers import AutoTokenizer

    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": SPECIAL[0], "unk_token": SPECIAL[1], "cls_token": SPECIAL[2], "sep_token": SPECIAL[3]}
    AutoTokenizer.from_pretrained(folder, **special, model_max_length=LENGTH).save_pretrained(folder)
    return folder


def word_pieces() -> Any:
    """As BERT's, trained on the sample's texts."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    pieces = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=7_000, special_tokens=list(SPECIAL), show_progress=False)
    pieces.train_from_iterator([text for text, _ in sample()], trainer)
    both = [(name, pieces.token_to_id(name)) for name in SPECIAL[2:]]
    pieces.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=both)
    return pieces


def pairs_of_bytes() -> Any:
    """As Qwen2's, trained on the sample's texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=7_000, special_tokens=list(SPECIAL), initial_alphabet=letters, show_progress=False
    )
    pieces.train_from_iterator([text for text, _ in sample()], trainer)
    return pieces


def device_name() -> str:
    """Of the first CUDA device; empty where there is none."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def cuda() -> dict[str, Any]:
    """What else a figure of a device depends on."""
    import torch

    return {"cuda": torch.version.cuda, "devices": torch.cuda.device_count()}
