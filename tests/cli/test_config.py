"""Files of options: what they mean beside options, what `init` writes, what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from liftune.cli.main import main
from liftune.errors import SpecError
from liftune.python_names import in_python
from liftune.settings_file import spec_under
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec
from liftune.spec_text import explained

#: A spec in which every option has another value than its default.
OTHER = RunSpec.of(
    data="a.csv", task="multi_label", text="a,b", text_pair="c", label="d", label_separator=";", label_threshold=0.5,
    label_names="x,y", merge_labels="case", train_rows=5, test_rows=6, validation="v.csv", test="t.csv",
    split="train=x", split_column="s", skip_bad_rows=True, encoding="cp1252", no_header=True, columns="a,b",
    skip_lines=2, fill_down="h", group="g", slices="lang", decimal=",", near_duplicates="none", split_seed=3, model="m",
    label_map="a=b", max_length=7, device="cpu", base_precision="4bit", trust_remote_code=True, method="vera",
    set=["rank=4"], start="runs/old", replay="none", epochs=2, batch_size=4, lr=1e-3, warmup_fraction=0.2,
    weight_decay=0.5, max_grad_norm=2, patience=4,
    head="random", teacher_share=0.25, class_weights=True, seeds="1,2", accelerations="none", few="on",
    metric="macro_f1", long="windows", window_overlap=3, window_pooling="max",
    with_full=True, margin=1.5, folds="none", curve=True, answers="gpt=a.csv", cost="gpt=0.5",
    zero_shot="m", describe="d.json", out='o "ut" \\ é😀',
)  # fmt: skip


def under(path: Path, **given: Any) -> RunSpec:
    return spec_under(path, given, OPTIONS)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_every_option_goes_through_the_file_that_init_writes(tmp_path: Path) -> None:
    path = write(tmp_path / "all.toml", explained(OTHER))
    assert under(path, trust_remote_code=True) == OTHER
    for name, home in OPTIONS.items():
        section = getattr(OTHER, home[0])
        value = getattr(section, home[1]) if len(home) > 1 else section
        default = RunSpec()
        usual = getattr(getattr(default, home[0]), home[1]) if len(home) > 1 else getattr(default, home[0])
        assert value != usual, f"{name} is the default here: the test would see nothing"


def test_what_init_leaves_out_is_the_default(tmp_path: Path) -> None:
    text = explained(RunSpec())
    assert all(not values for values in tomllib.loads(text).values())
    shown = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in text.splitlines()
    )
    named = {line.split(" = ")[0] for line in shown.splitlines() if " = " in line and not line.startswith("#")}
    assert {home[-1] for home in OPTIONS.values()} <= named | {
        line.removesuffix(" =").removeprefix("# ") for line in text.splitlines()
    }


def test_options_override_the_file_one_by_one(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.toml",
        '[data]\nsource = "a.csv"\n[method]\noptions = { rank = 4, alpha = 8 }\n[train]\nepochs = 2\nlr = 0.1\n',
    )
    spec = under(path, lr="0.2", set=["alpha=16"])
    assert (spec.data.source, spec.train.epochs, spec.train.lr) == ("a.csv", 2, 0.2)
    assert {key: int(value) for key, value in spec.method.options.items()} == {"rank": 4, "alpha": 16}
    assert under(path, method="vera").method.options == {}, "options of another method are none of this one's"
    assert spec_under(path, {}, ["data"]).train == RunSpec().train, "a command takes its own options alone"


def test_a_runs_own_spec_asks_for_another_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    spec = RunSpec.of(data="a.csv", epochs=2, out=str(run))
    write(run / "spec.json", spec.model_dump_json())
    assert under(run / "spec.json") == RunSpec.of(data="a.csv", epochs=2)
    assert under(run / "spec.json", out="elsewhere").out == "elsewhere"
    assert under(write(tmp_path / "other.json", spec.model_dump_json())).out == str(run)


def test_rows_in_memory_and_code_need_more_than_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", RunSpec.of(data=IN_MEMORY).model_dump_json())
    with pytest.raises(SpecError, match="in memory"):
        under(path)
    assert under(path, data="b.csv").data.source == "b.csv"
    path = write(tmp_path / "b.json", RunSpec.of(trust_remote_code=True).model_dump_json())
    with pytest.raises(SpecError, match="cannot allow code"):
        under(path)


WRONG = {
    "epochs = 3": (r"\[train\]", "epochs = ..."),
    'model = "x"': (r"\[model\]", "name = ..."),
    'source = "x"': (r"below the line \[data\]", "source = ..."),
    'name = "x"': (r"\[method\]", "[model], or name"),
    '[data]\ndata = "x"': ("data stands in", "source = ..."),
    '[train]\nsource = "x"': ("source stands in", "[data]"),
    "": ("sets no option", "--config"),
    "[train]\n# epochs = 3": ("sets no option", "--config"),
    "[train]\nepochs = \n": ("line 2, column 10", "TOML"),
    "[train]\nepoch = 3": ("epoch", "epochs"),
    "[data]\nepochs = 3": (r"\[train\]", "epochs"),
    "[trian]\nepochs = 3": ("trian", "train"),
    '[train]\nepochs = "many"': ("whole number", "value"),
    "a = [": ("cannot read", "TOML"),
    "[train]\nepochs = 3\nepochs = 4": ("cannot read", "TOML"),
    "[model]\nname = minilm  # the default": ("line 2", 'a text stands in quotes: name = "minilm"'),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_name_out_of_place_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    what, hint = WRONG[text]
    with pytest.raises(SpecError) as refused:
        under(write(tmp_path / "a.toml", text))
    import re

    assert re.search(what, str(refused.value))
    assert hint in str(refused.value)


IN_JSON = {
    "": ("sets no option", "--config"),
    '{"train": {}}': ("sets no option", "--config"),
    '{"train": {"epochs": 1, "epochs": 2}}': ("'epochs' is there twice", "write it there as JSON"),
    '{"train": {"epochs": 1}, "train": {"lr": 2}}': ("'train' is there twice", "write it there as JSON"),
    '{"data": "a.csv"}': ("data stands outside its section", '"data": {"source": ...}'),
    '{"epochs": 3}': ("epochs stands outside", '"train": {"epochs": ...}'),
    '{"train": {\n"epochs": }}': ("line 2, column 11", "write it there as JSON"),
}


@pytest.mark.parametrize("text", IN_JSON)
def test_json_is_refused_in_the_words_of_json(text: str, tmp_path: Path) -> None:
    what, hint = IN_JSON[text]
    with pytest.raises(SpecError) as refused:
        under(write(tmp_path / "a.json", text))
    assert what in str(refused.value)
    assert hint in str(refused.value.hint)
    assert "below the line" not in str(refused.value)


def test_a_run_of_rows_in_memory_is_repeated_with_its_rows(tmp_path: Path) -> None:
    write(tmp_path / "spec.json", RunSpec.of(data=IN_MEMORY, epochs=2).model_dump_json())
    with pytest.raises(SpecError, match="were in memory") as refused:
        under(tmp_path / "spec.json")
    assert refused.value.hint
    assert in_python(refused.value.hint) == "give the data too: the rows and config=FILE"
    assert "DATA --config FILE" in refused.value.hint
    assert spec_under(str(tmp_path / "spec.json"), {"data": "rows.csv"}, OPTIONS).train.epochs == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["a.toml", "a.json", "A.TOML"])
def test_a_byte_order_mark_is_no_part_of_the_text(name: str, encoding: str, tmp_path: Path) -> None:
    text = '{"train": {"epochs": 3}}' if name.endswith("json") else "[train]\nepochs = 3"
    (tmp_path / name).write_text(text, encoding=encoding)
    assert under(tmp_path / name).train.epochs == 3


def test_a_file_that_is_not_there_is_said_to_be_that(tmp_path: Path) -> None:
    write(tmp_path / "liftune.toml", "[train]\nepochs = 3")
    with pytest.raises(SpecError, match=r"there is no file .*liftun.toml, did you mean liftune.toml"):
        under(tmp_path / "liftun.toml")
    (tmp_path / "b.toml").write_bytes(b"[data]\nsource = '\xe9'")
    with pytest.raises(SpecError, match=r"not UTF-8") as refused:
        under(tmp_path / "b.toml")
    assert str(refused.value.where).endswith("b.toml, line 2")
    with pytest.raises(SpecError) as refused:
        spec_under("https://host/a.toml", {}, OPTIONS)
    assert refused.value.where == "https://host/a.toml"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nope.csv"], "no such file or folder"),
        (["sample:nope"], "unknown sample"),
        (["sample:emotions", "--method", "lroa"], "did you mean lora"),
        (["sample:emotions", "--set", "rnk=3"], "rnk"),
        (["sample:emotions", "--metric", "acuracy"], "did you mean accuracy"),
        (["sample:emotions", "--accelerations", "pakced"], "unknown acceleration"),
        (["sample:emotions", "--test", "nope.csv"], "no such file or folder"),
    ],
)
def test_init_writes_no_option_that_no_run_can_have(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "liftune.toml").exists()


def test_the_command_line_writes_and_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.csv", "review,label\n" + "".join(f"a meal {i},{'ab'[i % 2]}\n" for i in range(20)))
    assert main(["init", "rows.csv", "--text", "review", "--epochs", "2"]) == 0
    assert tomllib.loads(Path("liftune.toml").read_text())["train"] == {"epochs": 2}
    assert main(["init", "rows.csv"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["init", "rows.csv", "--overwrite", "--to", "liftune.toml"]) == 0
    assert main(["init", "--to", "liftune.yaml"]) == 2
    assert main(["inspect", "rows.csv", "--config", "liftune.toml", "--json"]) == 0
    assert main(["inspect", "rows.csv", "--config", "nowhere.toml"]) == 2
    assert main(["inspect", "rows.csv", "--config", "."]) == 2
