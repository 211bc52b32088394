"""What a search may propose: checked value by value before anything is tuned, each method with a space of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from liftune.cli.main import main
from liftune.errors import SpecError
from liftune.models.methods.registry import METHODS, parse_options
from liftune.spec import RunSpec
from liftune.sweeps.grid import Cell, SweepSpec, Trial
from liftune.sweeps.space import RATES, default_space, search_of


def searched(space: Any, methods: str = "lora,ia3", **options: Any) -> SweepSpec:
    return SweepSpec.of(RunSpec.of(data="rows.csv", **options), methods, search=3, space=space)


def test_a_file_says_what_is_tried_of_all_methods_and_of_one(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(
        "lr = {low = 1e-5, high = 1, log = true}\nbatch-size = [16, 32]\nepochs = {low = 2, high = 4}\n"
        'head = ["fitted", "random"]\n[LoRA]\nrank = [4, 8]\nweight_decay = {low = 0, high = 1}\n'
    )
    search = searched(str(path)).search
    assert search is not None
    assert {name: str(each) for name, each in search.space.items()} == {
        "lr": "1e-05 to 1 (log)",
        "batch_size": "16, 32",
        "epochs": "2 to 4",
        "head": "fitted, random",
        "lora.rank": "4, 8",
        "lora.weight_decay": "0 to 1",
    }
    assert (search.space["epochs"].int, search.space["lora.weight_decay"].int) == (True, False)
    assert set(search.of("ia3")) == {"lr", "batch_size", "epochs", "head"}
    assert SweepSpec.model_validate_json(searched(str(path)).model_dump_json()).search == search


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"lrr": [1e-3]}, "unknown option 'lrr', did you mean lr?"),
        ({"lroa": {"rank": [4]}}, "unknown method 'lroa', did you mean lora?"),
        ({"dora": {"rank": [4]}}, "dora is no method of the sweep"),
        ({"lora": {"rnk": [4]}}, "unknown option of lora 'rnk', did you mean rank?"),
        ({"lora.rnk": [4]}, "unknown option of lora 'rnk'"),
        ({"rank": [4]}, "rank is an option of lora"),
        ({"max_length": [64]}, "max_length is the same for all cells"),
        ({"seeds": [0, 1]}, "seeds is the same for all cells"),
        ({"lr": [0.1, 99]}, "--lr: must be less than 10, not 99, in the space"),
        ({"lr": {"low": 0, "high": 1}}, "--lr: must be greater than 0"),
        ({"lora": {"rank": [4, -1]}}, "rank: must be greater than 0, not -1"),
        ({"lora": {"rank": {"low": 1.5, "high": 4}}}, "rank: low must be a whole number, not 1.5"),
        ({"lora": {"bias": ["none", "some"]}}, "bias: must be 'none', 'lora_only' or 'all'"),
        ({"lr": {"low": 1, "high": 0.1}}, "low 1 is not below high 0.1"),
        ({"lr": {"low": 0.1}}, "high is missing"),
        ({"lr": {"low": "a", "high": 1}}, "low must be a number, not 'a'"),
        ({"lr": {"low": 0.1, "high": 1, "lgo": True}}, "unknown key of lr 'lgo', did you mean log?"),
        ({"lr": {"low": 0.1, "high": 1, "log": 1}}, "log and int are true or false"),
        ({"weight_decay": {"low": 0, "high": 1, "log": True}}, "a logarithmic scale has no 0"),
        ({"lr": []}, "must be a list of values or a range, not []"),
        ({"lr": 0.1}, "must be a list of values or a range, not 0.1"),
        ({"lr": [0.1, 0.1]}, "0.1 is given twice"),
        ({"lr": [[0.1]]}, "must be a list of values or a range"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(space: Any, said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)) as error:
        searched(space)
    assert error.value.hint


def test_what_is_set_is_not_searched() -> None:
    with pytest.raises(SpecError, match="lr is both set and searched"):
        searched({"lora": {"lr": [0.1, 0.2]}}, lr=0.1)
    with pytest.raises(SpecError, match=re.escape("lora.rank is both set and searched")):
        searched({"lora": {"rank": [4, 8]}}, set=["lora.rank=4"])
    search = searched(None, lr=0.1, set=["lora.rank=4"]).search
    assert search is not None
    assert set(search.space) == {"lora.dropout"}


def test_a_method_whose_rows_would_be_cut_otherwise_is_no_option_of_a_search() -> None:
    with pytest.raises(SpecError, match="decides how much of each row is read"):
        searched({"prompt": {"virtual_tokens": [5, 10]}}, methods="prompt")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_space_of_its_own_that_it_accepts(name: str) -> None:
    method = METHODS[name]
    space = default_space(RunSpec.of(data="rows.csv"), [name])
    rate = space.pop(f"{name}.lr")
    assert (rate.low, rate.high, rate.log) == (method.learning_rate / RATES, method.learning_rate * RATES, True)
    RunSpec.of(lr=rate.low)
    RunSpec.of(lr=rate.high)
    for option, dimension in space.items():
        values = list(dimension.samples())
        assert len(values) > 1
        for value in values:
            parse_options(method, {option.removeprefix(f"{name}."): value})


def test_a_trial_is_what_tune_would_be_asked() -> None:
    spec = searched({"lr": [0.1, 0.2], "lora": {"rank": [4, 8], "epochs": [1, 2]}}, set=["lora.alpha=4"])
    trial = Trial(3, (("lr", 0.2), ("lora.rank", 8), ("lora.epochs", 2)))
    run = spec.run_of(Cell("minilm", "lora", 5, trial))
    assert (run.train.lr, run.train.epochs, run.train.seeds) == (0.2, 2, (5,))
    assert run.method.options == {"alpha": "4", "rank": 8}


def test_a_space_without_a_search_and_a_search_of_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SpecError, match="no search is asked for"):
        search_of(RunSpec.of(), ["lora"], None, {"lr": [1]})
    asked = ["sweep", "sample:emotions", "--methods", "lora"]
    for more, said in (
        (["--space", "nowhere.toml"], "no search is asked for"),
        (["--search", "3", "--space", str(tmp_path / "nowhere.toml")], "there is no file"),
        (["--search", "0"], "greater than or equal to 1"),
    ):
        assert main([*asked, *more]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["space.toml", "space.json", "space"])
@pytest.mark.parametrize("content", [None, b"", b"\xef\xbb\xbf", b" \n", b"{}"])
def test_of_a_file_without_a_space_it_is_said_what_one_holds(content: bytes | None, name: str, tmp_path: Path) -> None:
    """And what is said to be written there is a space."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(b"# none" if content == b"{}" and name.endswith("toml") else content)
    with pytest.raises(
        SpecError, match="there is no file" if content is None else "names no option to search"
    ) as error:
        searched(str(path))
    hint = str(error.value.hint)
    assert "a list of values or a range" in hint
    assert "leave --space out, for each method's own space" in hint
    assert not re.search(r"--config|\binit\b", hint)
    path.write_text(hint.partition("such as ")[2].partition("; or leave")[0])
    assert set(getattr(searched(str(path)).search, "space", {})) == {"lr"}
