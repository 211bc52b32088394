"""Methods by name, their options, and what is refused."""

import subprocess
import sys

import pytest

from liftune.errors import MethodError
from liftune.models.methods.registry import METHODS, check_family, find_method, parse_options, virtual_tokens

LISTING = """
import sys
from liftune.models.methods.registry import METHODS
for method in METHODS.entries():
    print(method.name, method.summary, method.families, method.mergeable, sorted(method.options.model_fields))
heavy = {"torch", "transformers", "peft"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def test_methods_are_listed_without_importing_torch():
    listed = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == len(METHODS) >= 30


@pytest.mark.parametrize("method", METHODS.entries(), ids=lambda method: method.name)
def test_every_method_has_defaults_that_pass_its_own_checks_and_a_summary_of_one_line(method):
    assert parse_options(method, {}) == method.options()
    assert method.summary.endswith(".")
    assert len(method.summary) < 100
    assert 0 < method.learning_rate <= 0.1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("LoRA", "lora"),
        ("lora+", "loraplus"),
        ("p-tuning", "p_tuning"),
        ("prefix_tuning", "prefix"),
        ("Prompt Tuning", "prompt"),
        ("ln-tuning", "ln_tuning"),
        ("probe", "probe"),
    ],
)
def test_a_method_is_found_however_it_is_written(written, meant):
    assert find_method(written).name == meant


def test_an_unknown_method_is_refused_with_the_nearest_name_and_the_list():
    with pytest.raises(MethodError, match="did you mean lora") as refused:
        find_method("lroa")
    assert "adalora" in refused.value.hint


def test_strings_as_the_command_line_gives_them_become_numbers_and_names():
    options = parse_options(METHODS["lora"], {"rank": "4", "dropout": "0.1", "target_modules": "q_lin, v_lin"})
    assert (options.rank, options.dropout, options.target_modules) == (4, 0.1, ("q_lin", "v_lin"))


@pytest.mark.parametrize(
    ("method", "raw", "said"),
    [
        ("lora", {"rank": "-3"}, "rank: must be greater than 0, not '-3'"),
        ("lora", {"rank": "eight"}, "rank: must be a whole number"),
        ("lora", {"rank": 2.5}, "rank: must be a whole number"),
        ("lora", {"alpha": "nan"}, "alpha"),
        ("lora", {"alpha": "inf"}, "alpha"),
        ("lora", {"dropout": "1"}, "dropout: must be less than 1"),
        ("lora", {"bias": "some"}, "bias: must be 'none', 'lora_only' or 'all'"),
        ("lora", {"target_modules": ""}, "target_modules"),
        ("lora", {"target_modules": 3}, "target_modules"),
        ("lora", {"rnak": 8}, "rnak: method lora has no such option, did you mean rank?"),
        ("lora", {"r": 8}, "did you mean rank?"),
        ("lora", {"lora_alpha": 8}, "did you mean alpha?"),
        ("ia3", {"rank": 8}, "rank: method ia3 has no such option"),
        ("probe", {"rank": 8}, "rank: method probe has no such option"),
        ("prompt", {"virtual_tokens": 0}, "virtual_tokens"),
        ("adalora", {"rank": 20}, "rank 20 is above initial_rank 12"),
        ("adalora", {"initial_fraction": 0.6, "final_fraction": 0.4}, "no steps for pruning"),
        ("loraplus", {"lr_ratio": 0.5}, "lr_ratio"),
        ("hra", {"rank": 3}, "rank: must be a multiple of 2"),
        ("road", {"variant": "road_3"}, "variant"),
        ("delora", {"delora_lambda": 3}, "did you mean scale?"),
        ("bitfit", {"rank": 8}, "rank: method bitfit has no such option"),
    ],
)
def test_a_wrong_option_is_refused_by_name(method, raw, said):
    with pytest.raises(MethodError) as refused:
        parse_options(METHODS[method], raw)
    assert said in refused.value.message
    assert refused.value.hint


def test_all_faults_are_named_at_once():
    with pytest.raises(MethodError) as refused:
        parse_options(METHODS["lora"], {"rank": -3, "dropout": 2, "aplha": 1})
    assert len(refused.value.message.splitlines()) == 3


def test_a_method_asked_for_elsewhere_is_refused_with_those_that_fit():
    """PEFT would run a prompt on XLNet, and let a row's answer depend on its batch."""
    with pytest.raises(MethodError, match="prompt does not fit xlnet") as refused:
        check_family(METHODS["prompt"], "xlnet")
    assert "distilbert" in refused.value.message
    assert "lora" in refused.value.hint
    assert "prefix" not in refused.value.hint


def test_a_family_that_nobody_has_heard_of_may_use_lora():
    check_family(METHODS["lora"], "brand-new")
    check_family(METHODS["full"], "brand-new")


def test_virtual_tokens_are_what_the_method_puts_before_a_row():
    assert virtual_tokens(parse_options(METHODS["prompt"], {"virtual_tokens": 7})) == 7
    assert virtual_tokens(parse_options(METHODS["lora"], {})) == 0
