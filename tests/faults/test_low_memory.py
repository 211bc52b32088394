"""Limits of the address space: a command finishes with the same answers, or refuses before it computes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import low_memory
import pytest
from tiny_models import save_tiny

import liftune

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="its address space is read in /proc"),
]
TOKENS = 512
#: Of a step in a single pass; nothing is drawn, so that smaller passes have the same gradient.
OPTIONS = ("--few", "off", "--epochs", "1", "--batch-size", "16", "--set", "dropout=0", "--max-length", str(TOKENS))
OPTIONS += ("--accelerations", "none", "--quiet")


def _larger(config: Any) -> None:
    """Rows of 512 tokens through it take so much memory that passes matter."""
    config.dim, config.n_layers, config.hidden_dim, config.max_position_embeddings = 128, 2, 512, TOKENS
    config.dropout = config.attention_dropout = config.seq_classif_dropout = 0.0


@pytest.fixture
def long_rows(emotions: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model that reads long rows, and a folder of them."""
    model = save_tiny("distilbert", tmp_path / "model", change=_larger)
    card = model / "tokenizer_config.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "model_max_length": TOKENS}))
    for part in emotions.iterdir():
        rows = [json.loads(line) for line in part.read_text().splitlines()]
        longer = [{**row, "text": f"{row['text']} " + "and so on " * 60} for row in rows]
        part.write_text("".join(json.dumps(row) + "\n" for row in longer))
    return model, emotions


def assert_survives(command: str, place: Path, options: list[str]) -> list[dict[str, Any]]:
    argv = [sys.executable, low_memory.__file__, str(place), command, "--", *options]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, *lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(low_memory.LEVELS)
    for line in lines:
        print({name: line[name] for name in line if name != "said"}, file=sys.stderr)
        assert not line["traceback"], line
        *died, last = line["codes"]
        assert last in (0, 2), line
        if last == 0:
            assert line["gap"] <= 1e-5, line
            assert not died or line["smaller passes"], line
        else:
            assert (died, line["computed"], "hint:" in line["said"]) == ([], [], True), line
    assert lines[-1]["codes"][-1] == 0, "with this much there is enough"
    return lines


def test_tune_finishes_or_refuses_before_it_computes(long_rows: tuple[Path, Path], tmp_path: Path) -> None:
    model, rows = long_rows
    assert_survives("tune", tmp_path, [str(rows), "--model", str(model), *OPTIONS])


def test_predict_finishes_or_refuses(long_rows: tuple[Path, Path], tmp_path: Path) -> None:
    model, rows = long_rows
    liftune.tune(rows, model=model, epochs=1, batch_size=16, max_length=64, out=tmp_path / "run")
    assert_survives("predict", tmp_path, [str(tmp_path / "run"), "--use", "tuned", "--in", str(rows / "test.jsonl")])


#: In the place of a kernel, which ends a process for a pass that takes too much; under a limit one death counts.
DYING = """
import os, resource, signal, sys
from liftune.cli.main import main
from liftune.models.classifier import Classifier
call, room = Classifier._call, int(sys.argv.pop(1))
def limited(classifier, batch):
    if int(batch["attention_mask"].sum()) > room:
        os.kill(os.getpid(), signal.SIGKILL)
    return call(classifier, batch)
Classifier._call = limited
resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))
sys.exit(main(sys.argv[1:]))
"""


def test_what_dies_in_a_pass_finishes_in_smaller_ones_by_the_same_command(emotions: Path, tmp_path: Path) -> None:
    """Passes that read rows for the baselines, those of training, those of predictions: each is halved."""
    model = save_tiny("distilbert", tmp_path / "model")
    run = tmp_path / "run"
    tune = [
        "tune",
        str(emotions),
        "--model",
        str(model),
        "--few",
        "off",
        "--epochs",
        "1",
        "--batch-size",
        "16",
        "--out",
        str(run),
    ]
    rows = ["--in", str(emotions / "test.jsonl"), "--out", str(tmp_path / "answers.jsonl")]
    for command in (tune, ["predict", str(run), "--use", "tuned", *rows]):
        codes, said = [], ""
        while len(codes) < 8 and (not codes or codes[-1] < 0):
            argv = [sys.executable, "-c", DYING, "150", *command]
            done = subprocess.run(argv, capture_output=True, text=True)
            codes.append(done.returncode)
            said += done.stderr
        print(command[0], codes, file=sys.stderr)
        assert codes[-1] == 0, said
        assert len(codes) > 1
        assert said.count("a process died in a pass of") == len(codes) - 1, said
