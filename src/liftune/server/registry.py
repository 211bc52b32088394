"""The models that the server has loaded, by name.

In: paths, with or without a name.  Out: ServedModels; loading and unloading while other models serve.
Not here: how a model is opened (adapter_engine.py, bundle_engine.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Protocol

from liftune.addresses import is_address
from liftune.errors import ArtifactError, SpecError, nearest
from liftune.files import expanded
from liftune.server.engine import Engine, ModelInfo, ServedModel
from liftune.server.errors import RequestError, cut
from liftune.wrong_path import refusal


class OpenModel(Protocol):
    """From a folder to an engine and its description."""

    def __call__(self, path: Path, use: str | None = None) -> tuple[Engine, ModelInfo]:
        """`use` is the contender of a run that was asked for."""
        ...


#: Safe in a URL's path and in a file's name.
LONGEST_NAME = 100
_NAME = re.compile(rf"\w[\w.@+-]{{0,{LONGEST_NAME - 1}}}")
#: Characters of a path; operating systems allow less.
_LONGEST_PATH = 4_096


class ModelRegistry:
    """Names and their models.

    A request holds the model it found, so unloading a model never ends a request.

    Args:
        open_model: opens what a path leads to.
    """

    def __init__(self, open_model: OpenModel) -> None:
        self._open = open_model
        self._models: dict[str, ServedModel] = {}
        self._loading, self._changing = Lock(), Lock()  # one load at a time, which does not hold up an unload

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(list(self._models.values()))

    def find(self, name: str | None) -> ServedModel:
        """The model of that name; without a name, the only model there is.

        Raises:
            RequestError: there is no such model (404), or several and none is named (422).
        """
        models = self._models
        if name is None and len(models) == 1:
            return next(iter(models.values()))
        known = f"name one of: {', '.join(models)}" if models else "load one with POST /v1/models"
        if name is None:
            message = "several models are loaded, and the request names none" if models else "no model is loaded"
            raise RequestError(422, message, where="model", hint=known)
        if len(name) > LONGEST_NAME:
            raise RequestError(404, f"no model is named {cut(name)}", where="model", hint=known)
        if name not in models:
            raise RequestError(
                404,
                f"no model of that name is loaded{nearest(name, models)}",
                where="model",
                hint=known,
            )
        return models[name]

    def load(
        self,
        path: str,
        name: str | None = None,
        *,
        use: str | None = None,
        replace: bool = False,
        open_model: OpenModel | None = None,
    ) -> ServedModel:
        """Open a folder and serve it under a name, that of the folder if none is given; takes seconds.

        Args:
            use: which contender of a run.
            replace: whether to replace a model of the same name.
            open_model: None takes the registry's own, which runs no code of a model.

        Raises:
            RequestError: another model has that name (409).
            LiftuneError: the name is not allowed, or the folder cannot be opened.
        """
        with self._loading:
            model = self.opened(path, name, use=use, replace=replace, open_model=open_model)
            self.put(model)
        return model

    def opened(
        self,
        path: str,
        name: str | None = None,
        *,
        use: str | None = None,
        replace: bool = False,
        open_model: OpenModel | None = None,
    ) -> ServedModel:
        """The first half of `load`: the model, which is not served yet."""
        folder = _folder(path)
        named = _check_name(name if name is not None else folder.name)
        if named in self._models and not replace:
            raise RequestError(
                409,
                f"a model named {named} is loaded already",
                where="name",
                hint="give another name, or set replace",
            )
        open_model = open_model or self._open
        engine, info = open_model(folder, use) if use else open_model(folder)
        return ServedModel(named, folder, info, engine)

    def put(self, model: ServedModel) -> None:
        """The second half of `load`: serve it, in place of another of its name."""
        with self._changing:
            self._models = {**self._models, model.name: model}

    def unload(self, name: str) -> None:
        """Remove a model; requests that hold it still get their predictions.

        Raises:
            RequestError: there is no such model (404).
        """
        with self._changing:
            self.find(name)
            self._models = {each: model for each, model in self._models.items() if each != name}


def _folder(path: str) -> Path:
    if len(path) > _LONGEST_PATH:
        hint = "give a run folder or a bundle"
        raise ArtifactError(f"a path of {len(path):,} characters is none: {cut(path)}", where="path", hint=hint)
    try:
        folder = expanded(path)
        if folder.is_dir():
            return folder.resolve()
        message, hint = refusal(path, "tuned")
        if is_address(path):
            hint = "bring the model's folder to the disk of the server, and give its path"
    except (OSError, RuntimeError, ValueError) as error:  # a NUL character, a loop of links, an unknown home
        message, hint = f"not a path: {error}", "give a run folder or a bundle"
    raise ArtifactError(message, where="path", hint=hint)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{cut(name)} is not allowed as a model's name",
            where="name",
            hint="use letters, digits and . _ - + @, beginning with a letter or digit: NAME=PATH",
        )
    return name


def split_name(argument: str) -> tuple[str | None, str]:
    """A command line's `NAME=PATH` or `PATH`.

    >>> split_name("mood=runs/a"), split_name("runs/a"), split_name("/tmp/a=b")
    (('mood', 'runs/a'), (None, 'runs/a'), (None, '/tmp/a=b'))
    """
    name, separator, path = argument.partition("=")
    return (name, path) if separator and _NAME.fullmatch(name) else (None, argument)
