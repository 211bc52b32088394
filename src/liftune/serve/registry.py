"""The models that are being served, by name.

In: paths, with or without a name.  Out: Loaded models; loading and unloading while requests are answered.
Not here: how a model is opened (tuned.py, bundled.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock

from liftune.errors import ArtifactError, SpecError, nearest
from liftune.serve.engine import Engine, ModelInfo, ServedModel
from liftune.serve.errors import Refused

Open = Callable[[Path], tuple[Engine, ModelInfo]]
#: Safe in a URL's path and in a file's name.
_NAME = re.compile(r"\w[\w.@+-]{0,99}")


class ModelRegistry:
    """Names and their models.

    Requests hold the model that they found, so that unloading never ends one.

    Args:
        open_model: a folder to an engine and its facts.
    """

    def __init__(self, open_model: Open) -> None:
        self._open = open_model
        self._models: dict[str, ServedModel] = {}
        self._changing = Lock()

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(list(self._models.values()))

    def find(self, name: str | None) -> ServedModel:
        """The model of a name; without one, the only model there is.

        Raises:
            Refused: there is no such model (404), or several and none is named (422).
        """
        models = self._models
        if name is None and len(models) == 1:
            return next(iter(models.values()))
        known = ", ".join(models) or "none"
        if name is None:
            raise Refused(422, "which model is not said", where="model", hint=f"name one of: {known}")
        if name not in models:
            raise Refused(
                404,
                f"no model of that name is loaded{nearest(name, models)}",
                where="model",
                hint=f"name one of: {known}",
            )
        return models[name]

    def load(self, path: str, name: str | None = None, *, replace: bool = False) -> ServedModel:
        """Open a folder and serve it under a name, its own if none is given; takes seconds.

        Raises:
            Refused: another model has that name (409).
            LiftuneError: the name is none, or the folder cannot be opened.
        """
        folder = _folder(path)
        named = _checked(name if name is not None else folder.name)
        with self._changing:
            if named in self._models and not replace:
                raise Refused(
                    409,
                    f"a model named {named} is loaded already",
                    where="name",
                    hint="give another name, or ask to replace it",
                )
            engine, facts = self._open(folder)
            loaded = ServedModel(named, folder, facts, engine)
            self._models = {**self._models, named: loaded}
        return loaded

    def unload(self, name: str) -> None:
        """Take a model's name away; requests that hold it are still answered.

        Raises:
            Refused: there is no such model (404).
        """
        with self._changing:
            self.find(name)
            self._models = {each: loaded for each, loaded in self._models.items() if each != name}


def _folder(path: str) -> Path:
    try:
        folder = Path(path).expanduser()
        if folder.is_dir():
            return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a NUL, a loop of links, nobody's home
        raise ArtifactError(f"that is no path: {error}", where="path", hint="give a run folder or a bundle") from None
    raise ArtifactError(f"there is no folder {path}", where="path", hint="give a run folder or a bundle")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} cannot be a model's name",
            where="name",
            hint="give one of letters, digits and . _ - + @ that begins with a letter or digit: NAME=PATH",
        )
    return name


def split_name(argument: str) -> tuple[str | None, str]:
    """A command line's `NAME=PATH` or `PATH`.

    >>> split_name("mood=runs/a"), split_name("runs/a"), split_name("/tmp/a=b")
    (('mood', 'runs/a'), (None, 'runs/a'), (None, '/tmp/a=b'))
    """
    name, separator, path = argument.partition("=")
    return (name, path) if separator and _NAME.fullmatch(name) else (None, argument)
