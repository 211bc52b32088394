"""Files of options: what they mean beside options, what `init` writes, what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from liftune.cli.main import main
from liftune.errors import SpecError
from liftune.settings_file import spec_under
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec
from liftune.spec_text import explained

#: A spec in which every option has another value than its default.
OTHER = RunSpec.of(
    data="a.csv", task="multi_label", text="a,b", text_pair="c", label="d", label_separator=";", label_threshold=0.5,
    label_names="x,y", merge_labels="case", train_rows=5, test_rows=6, validation="v.csv", test="t.csv",
    split="train=x", split_column="s", skip_bad_rows=True, encoding="cp1252", no_header=True, columns="a,b",
    skip_lines=2, fill_down="h", group="g", decimal=",", near_duplicates="none", split_seed=3, model="m",
    label_map="a=b", max_length=7, device="cpu", trust_remote_code=True, method="vera", set=["rank=4"],
    epochs=2, batch_size=4, lr=1e-3, warmup_fraction=0.2, weight_decay=0.5, max_grad_norm=2, patience=4, head="random",
    teacher_share=0.25, class_weights=True, seeds="1,2", accelerations="none", metric="macro_f1", with_full=True,
    margin=1.5, folds="none", curve=True, out='o "ut" \\ é😀',
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
    "[train]\nepoch = 3": ("epoch", "epochs"),
    "[data]\nepochs = 3": (r"\[train\]", "epochs"),
    "[trian]\nepochs = 3": ("trian", "train"),
    '[train]\nepochs = "many"': ("whole number", "value"),
    "a = [": ("cannot read", "TOML"),
    "[train]\nepochs = 3\nepochs = 4": ("cannot read", "TOML"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_name_out_of_place_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    what, hint = WRONG[text]
    with pytest.raises(SpecError) as refused:
        under(write(tmp_path / "a.toml", text))
    import re

    assert re.search(what, str(refused.value))
    assert hint in str(refused.value)


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
