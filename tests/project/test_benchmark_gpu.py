"""The bench of a CUDA device: its models and rows are made, its parts are modes that exist, and each tells its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is run from the checkout, and not installed

from benchmarks import __main__ as command
from benchmarks import gpu
from benchmarks.layers import known


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    gpu.made_parts(folder, "tiny", 1)
    return folder


def bench(tmp_path: Path, start: gpu.Start, *given: str) -> tuple[int, dict]:
    arguments = command.parser().parse_args(["gpu", "--size", "tiny", "--out", str(tmp_path), *given])
    code = gpu.run(arguments, start)
    return code, json.loads((tmp_path / "gpu.json").read_text())


def writing(commands: list[list[str]]) -> gpu.Start:
    """Writes what a mode writes, and keeps what was asked."""

    def start(asked: Sequence[str], _: float) -> tuple[int, str]:
        commands.append(list(asked))
        if "--out" in asked and asked[2] == "benchmarks":
            out = Path(asked[asked.index("--out") + 1])
            out.mkdir(parents=True)
            (out / f"{asked[3]}.json").write_text('{"rate": 1}')
        return 0, "a table\n"

    return start


def test_every_part_is_a_mode_with_options_that_it_has(tmp_path: Path) -> None:
    commands: list[list[str]] = []
    code, found = bench(tmp_path, writing(commands))
    assert code == 0
    modes = [each[3] for each in commands if each[2] == "benchmarks"]
    assert modes == ["speed", "speed", "predict", "serve", "speed"]
    for each in commands:
        if each[2] == "benchmarks":
            command.parser().parse_args(each[3:])
    assert [each[3] for each in commands if each[2] == "liftune"] == ["tune"]
    assert found["parts"]["serve"]["serve"] == {"rate": 1}
    assert found["parts"]["decoder"]["printed"] == ["a table"]
    assert all("missing" not in each for each in found["parts"].values())


def test_a_part_that_fails_is_said_and_the_others_are_run(tmp_path: Path) -> None:
    well = writing([])

    def start(asked: Sequence[str], seconds: float) -> tuple[int, str]:
        return (3, "before\nout of luck\n\n") if asked[3] == "serve" else well(asked, seconds)

    code, found = bench(tmp_path, start)
    assert code == 1
    assert found["parts"]["serve"]["missing"] == "failed with exit code 3: out of luck"
    assert found["parts"]["decoder"]["speed"] == {"rate": 1}


def test_what_no_time_is_left_for_is_said_and_is_no_failure(tmp_path: Path) -> None:
    code, found = bench(tmp_path, writing([]), "--minutes", "0")
    assert code == 0
    assert all("--minutes" in each["missing"] for each in found["parts"].values())
    assert gpu.started([sys.executable, "-c", "import time; time.sleep(60)"], 0.1)[0] == gpu.TIMED_OUT


def test_parts_are_named(tmp_path: Path) -> None:
    _, found = bench(tmp_path, writing([]), "--parts", "predict;serve")
    assert list(found["parts"]) == ["predict", "serve"]
    with pytest.raises(SystemExit, match="'speed'"):
        bench(tmp_path, writing([]), "--parts", "speed")


def test_models_can_be_read_and_rows_have_their_lengths(place: Path) -> None:
    tokens = {}
    for name in ("encoder", "decoder"):
        tokenizer = AutoTokenizer.from_pretrained(place / name)
        config = AutoConfig.from_pretrained(place / name)
        known(config.model_type)
        assert config.pad_token_id == tokenizer.pad_token_id == 0
        assert len(tokenizer) <= config.vocab_size
        for length in ("short", "long"):
            rows = [json.loads(line) for line in (place / length / "train.jsonl").read_text().splitlines()]
            assert len({row["text"] for row in rows}) == len(rows) == gpu.ROWS["tiny"][length]
            assert len({row["label"] for row in rows}) == 6
            counts = [len(tokenizer(row["text"], truncation=True)["input_ids"]) for row in rows]
            tokens[length] = sum(counts) / len(counts)
    assert 15 < tokens["short"] < 35
    assert 200 < tokens["long"] < 400
