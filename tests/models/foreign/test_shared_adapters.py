"""Adapters that plain PEFT saved elsewhere, opened by every verb: they lie beside the repository, not in it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from peft_adapters import peft_answers

import liftune
from liftune.cli.main import main
from liftune.errors import ModelError
from liftune.models.foreign.said import Said
from liftune.server.server import ServeOptions, model_opener

SHARED = Path(__file__).parents[4] / "shared"
CASES = SHARED / "cases"
BASE, ROWS = CASES / "models" / "fam-distilbert", CASES / "train.csv"
LABELS = ("neg", "pos")
TEXTS = ["The room was lovely.", "cold and rude", "", "a lamp " * 10]

pytestmark = pytest.mark.skipif(not (CASES / "peft").is_dir(), reason="../shared/cases is not there")


@pytest.mark.parametrize("kind", ["dora", "regex", "rankpat"])
def test_an_adapter_of_the_cases_goes_through_every_door(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # where its base is not
    folder, base = CASES / "peft" / f"peft-{kind}", str(BASE)
    expected = peft_answers(BASE, folder, labels=2, texts=TEXTS)
    loaded = liftune.load(folder, base=base, label_names=LABELS)
    assert np.abs(loaded.logits(TEXTS) - expected).max() <= 1e-5
    said = Said(LABELS, bases=(base,))
    engine, _ = model_opener(ServeOptions([str(folder)]), 2048)(folder, said=said)
    assert np.abs(np.stack(engine.executor.logits(engine.prepare(TEXTS))) - expected).max() <= 1e-5
    more = ["--label-names", "neg,pos", "--base", base]
    assert main(["evaluate", str(ROWS), "--model", str(folder), "-q", *more]) == 0
    export = ["export", str(folder), "--to", "merged", "--format", "merged", "--rows", str(ROWS), "-q", *more]
    assert main([*export, "--accept-gap"]) == 0
    assert np.abs(liftune.load("merged").logits(TEXTS) - expected).max() <= 1e-5
    assert main(["report", str(folder)]) == 0
    capsys.readouterr()
    assert main(["predict", str(folder), "some text"]) == 2
    assert "--base PATH" in capsys.readouterr().err


def test_beside_its_base_it_needs_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    assert liftune.load("peft/peft-dora").labels == ("LABEL_0", "LABEL_1")


@pytest.mark.slow
def test_the_sst2_adapter_is_right_as_often_as_it_is_known_to_be(tmp_path: Path) -> None:
    """On the base that it was tuned on, which a script makes."""
    adapter = SHARED / "models" / "sst2-adapter"
    with pytest.raises(ModelError, match="not at hand"):
        liftune.load(adapter)
    made = [sys.executable, str(SHARED / "tools" / "make_models.py"), str(tmp_path)]
    subprocess.run(made, check=True, capture_output=True)
    base = tmp_path / "minilm-distilbert"
    with (SHARED / "data" / "sst2_sentences" / "validation.tsv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t")][:40]
    loaded = liftune.load(adapter, base=base)
    assert np.abs(loaded.logits(texts) - peft_answers(base, adapter, labels=2, texts=texts)).max() <= 1e-4
    found = liftune.evaluate(
        SHARED / "data" / "sst2_sentences" / "validation.tsv",
        model=adapter,
        base=base,
        label_names="negative,positive",
        test_rows=300,
    )
    assert found.contenders[0].metrics["accuracy"].value > 0.8
