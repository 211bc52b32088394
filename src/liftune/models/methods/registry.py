"""The tuning methods, by name: METHODS, and how one is found, given options, and refused.

In: a name, raw options, a model's family.  Out: a Method, its checked options.
Not here: what a method is (base.py), option types (options.py), the PEFT methods' entries (one file a kind), names of
modules (targets.py), the head, saving and loading (attach.py, adapter_io.py). Listing imports no torch: PEFT is
imported where a config is built.

A learning rate is the source's for text classification where there is one, else that of its nearest kin; the head
learns at that rate too. Each entry's docstring names the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftune.errors import MethodError
from liftune.models.methods import options
from liftune.models.methods.base import ALL, METHODS, BackboneShape, Families, Method
from liftune.models.methods.options import Options

# Importing a module registers its entries: this order is the order of listing.
# isort: off
from liftune.models.methods import lora  # noqa: F401 - it registers
from liftune.models.methods import prompt  # noqa: F401 - it registers
from liftune.models.methods import selective  # noqa: F401 - it registers
from liftune.models.methods import low_rank  # noqa: F401 - it registers
from liftune.models.methods import orthogonal  # noqa: F401 - it registers
from liftune.models.methods import block  # noqa: F401 - it registers
from liftune.models.methods import sparse  # noqa: F401 - it registers
# isort: on

__all__ = [
    "ALL",
    "METHODS",
    "BackboneShape",
    "Families",
    "Method",
    "check_family",
    "check_four_bits",
    "find_method",
    "parse_options",
    "virtual_tokens",
]


def find_method(name: str) -> Method:
    """A method by name, forgiving in how it is written: `p-tuning`, `LoRA+`, `prefix_tuning`.

    Raises:
        MethodError: no such method; names the nearest.
    """
    plain = name.strip().casefold().replace("+", "plus").replace("-", "_").replace(" ", "_")
    for candidate in (name, plain, plain.removesuffix("_tuning"), f"{plain}_tuning"):
        if candidate in METHODS:
            return METHODS[candidate]
    return METHODS[name]


def parse_options(method: Method, raw: Mapping[str, Any]) -> Options:
    """The method's options from raw values, which may be strings as `--set` gives them.

    Raises:
        MethodError: an unknown option, or a value of the wrong type or range; all of them at once.
    """
    return options.parse(method.options, raw, method=method.name)


def virtual_tokens(chosen: Options) -> int:
    """Positions that the method puts before each row's tokens: the model's length limit shrinks by as many."""
    return int(getattr(chosen, "virtual_tokens", 0))


def check_family(method: Method, family: str) -> None:
    """Refuse a method that is asked for where it does not work.

    Raises:
        MethodError: names the families that the method fits and the methods that fit the family.
    """
    if family in method.families:
        return
    fitting = [each.name for each in METHODS.entries() if family in each.families]
    raise MethodError(
        f"method {method.name} does not fit {family} models; it fits: {method.families}",
        where=f"--method {method.name}",
        hint=f"choose one of: {', '.join(fitting)}",
    )


def check_four_bits(method: Method, base_precision: str | None) -> None:
    """Refuse a method that cannot be tuned on weights as they are held.

    Raises:
        MethodError: it names the methods that can.
    """
    if base_precision is None or method.four_bits:
        return
    fitting = [each.name for each in METHODS.entries() if each.four_bits]
    raise MethodError(
        f"method {method.name} cannot be tuned on weights in four bits: it reads or changes the weights themselves",
        where=f"--method {method.name} --base-precision {base_precision}",
        hint=f"leave --base-precision out, or choose one of: {', '.join(fitting)}",
    )


@METHODS.entry(
    "probe",
    summary="The model's own head alone, on a frozen body.",
    learning_rate=1e-2,
    kind="probe",
    mergeable=True,
    four_bits=True,
)
def probe(chosen: options.NoOptions, shape: BackboneShape) -> None:
    """Nothing to change in the body: the head's modules are trained and saved."""


@METHODS.entry(
    "full",
    summary="Every parameter; saves a whole model.",
    learning_rate=5e-5,
    kind="full",
    mergeable=True,
    goes_on=False,
)
def full(chosen: options.NoOptions, shape: BackboneShape) -> None:
    """Nothing to add. Rate: the upper of the four that Devlin et al. 2019 search."""
