"""The models that a server is started with, and what opens models while it runs.

In: ServeOptions.  Out: a function that opens a folder; models in a registry.
Not here: names of models that serve (registry.py), one kind of model (adapter_engine.py, bundle_engine.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from liftune.errors import amount
from liftune.hardware.plan import PRECISIONS
from liftune.inference.locate import SavedModel, locate_model
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.hub import at_hand, repository_of
from liftune.server.whole import Wanted

if TYPE_CHECKING:
    from liftune.server.engine import Engine, ModelInfo, ServedModel
    from liftune.server.registry import ModelRegistry
    from liftune.server.server import ServeOptions


def check_models(options: ServeOptions) -> None:
    """Refuse options that no model follows, before any is loaded.

    Raises:
        SpecError: a base that none was tuned on; a device or precision where all models are bundles.
        ArtifactError: a path leads to no model.
    """
    from liftune.inference.bases import use_bases
    from liftune.inference.onnx_bundle import refuse_options

    models = _located(options)
    if all(each.kind == "bundle" for each in models):
        precision = None if options.precision == "float32" else options.precision
        refuse_options(device=options.device, with_base=False, precision=precision)
    use_bases(options.bases, models, with_base=True)


def _located(options: ServeOptions) -> list[SavedModel]:
    from liftune.server.registry import split_name

    paths = (os.path.expanduser(split_name(argument)[1]) for argument in options.models)
    return [locate_model(path, use=options.use, said=options.said, where="path") for path in paths]


def libraries_of(options: ServeOptions) -> tuple[str, ...]:
    """Modules that the models of the command line will need, the slow ones."""
    from liftune.inference.contenders import read_contender_card

    wanted = {"liftune.server.worker"}
    for model in _located(options):
        if model.kind == "bundle":
            wanted |= {"onnxruntime", "tokenizers"}
        elif model.kind != "contender" or read_contender_card(model.folder).base:
            wanted |= {"torch", "transformers", "peft", "liftune.models.multi_lora.shared_base"}
    return tuple(sorted(wanted))


class Opener(Protocol):
    """An OpenModel that may be told to run a model's own code."""

    def __call__(
        self, path: Path, use: str | None = None, *, trust_remote_code: bool = False, said: Said = NOTHING
    ) -> tuple[Engine, ModelInfo]:
        """As OpenModel; what is said holds for models that others saved."""
        ...


def model_opener(options: ServeOptions, tokens: int) -> Opener:
    """What opens a model's folder; torch is imported for the first one that is not a bundle.

    It runs no code of a model unless it is told so at each call, whatever the options say: the models that come over
    HTTP are opened by it too.
    """
    from liftune.server.adapter_engine import AdapterLoader
    from liftune.server.bundle_engine import open_bundle
    from liftune.server.contender_engine import open_contender_engine

    precision = next(each for each in PRECISIONS if each == options.precision)
    adapters = AdapterLoader(device=options.device, precision=precision, tokens=tokens)

    elsewhere = Said(bases=tuple(options.bases), sole=False)  # of what is loaded over HTTP

    def open_model(
        path: Path, use: str | None = None, *, trust_remote_code: bool = False, said: Said = elsewhere
    ) -> tuple[Engine, ModelInfo]:
        model = locate_model(path, use=use, said=replace(said, trust_remote_code=trust_remote_code), where="path")
        if model.kind == "bundle":
            return open_bundle(model.folder)
        if model.kind == "contender":
            engine, info = open_contender_engine(
                model.folder, device=options.device, precision=precision, trust_remote_code=trust_remote_code
            )
        else:
            engine, info = adapters.open(model.folder, card=model.card, trust_remote_code=trust_remote_code)
        return engine, replace(info, contender=model.contender, note=model.note)

    return open_model


def wanted_models(options: ServeOptions) -> list[Wanted]:
    """The models that the command line names; one of the hub is brought here."""
    from liftune.server.registry import split_name

    wanted = []
    for argument in options.models:
        name, path = split_name(argument)
        if repository := repository_of(path):
            name, path = name or repository[0].partition("/")[2], str(at_hand(path))
        wanted.append(Wanted(path, name, options.use, named=True))
    return wanted


def load_wanted(
    models: ModelRegistry,
    wanted: Wanted,
    options: ServeOptions,
    open_model: Opener,
    *,
    log: Callable[[str], None],
    tell: Callable[[str], None],
) -> ServedModel:
    """Load one of them, or one that came over HTTP, and say what it is."""
    named = partial(open_model, trust_remote_code=options.trust_remote_code, said=options.said)
    model = models.load(wanted.path, wanted.name, use=wanted.use, open_model=named if wanted.named else open_model)
    log(f"{model.name}: {model.info.task}, {amount(len(model.info.labels), 'label')}, {model.info.kind} {wanted.path}")
    if model.info.kind == "bundle" and (options.device or options.precision != "float32"):
        log(f"{model.name}: a bundle stays as it was exported; --device and --precision are for the others")
    if model.info.note:
        tell(f"{model.name}: {model.info.note}")
    return model
