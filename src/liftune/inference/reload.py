"""What a predictor keeps of its loading: where from, so that copies are loaded again; and in whose words it refuses.

In: a predictor and its Origin.  Out: a predictor of the same model and options, in any process of this machine.
Not here: loading (opening.py).

A loaded model holds locks, hooks and memory of libraries that no pickle can carry; its folder has all that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

from liftune.errors import ArtifactError, LiftuneError, first_of

_LABELS_SHOWN = 6
#: As of LiftuneError.reword.
Words: TypeAlias = tuple[Callable[[str], str], Callable[[str], str]]

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
Own = TypeVar("Own", bound="Reloadable")


@dataclass(frozen=True)
class Origin:
    """What a predictor was loaded from."""

    path: str
    """In full, as other processes may work elsewhere."""
    options: Mapping[str, Any]
    """As of `load_predictor`."""
    files: list[list[str | int]]
    """As of `SavedModel.files`."""
    bases: tuple[str, ...] = ()
    """Where base models are that have moved: see `models/moved_bases.py`."""


class Reloadable:
    """A predictor whose copies are loaded again from its folder.

    Attributes:
        origin: None for one that was made from parts in memory, which has no copies.
        words: what rewords errors of its methods; None leaves them as the command line says them.
    """

    origin: Origin | None = None
    words: Words | None = None

    def __repr__(self) -> str:
        """In a few words: where it is from, its method, base, task and labels."""
        card: Any = getattr(self, "card", None)
        own = (
            card if hasattr(card, "family") else getattr(card, "base", None)
        )  # of another contender: the pretrained one
        base, labels = (getattr(own, "base", ""), getattr(card, "labels", ()))
        words = [
            *((self.origin.path,) if self.origin else ()),
            " on ".join(filter(None, (getattr(card, "method", ""), str(base).rstrip("/").rpartition("/")[2]))),
            str(getattr(getattr(card, "task", ""), "value", "")),
            *((f"{len(labels):,} labels: {first_of(labels, _LABELS_SHOWN)}",) if labels else ()),
        ]
        return f"<{type(self).__name__} {', '.join(filter(None, words))}>".replace(" >", ">")

    def __reduce__(self) -> tuple[Callable[[Origin, Words | None], Any], tuple[Origin, Words | None]]:
        """For pickle and copy.

        Raises:
            ArtifactError: it was not loaded from a folder.
        """
        if self.origin is None:
            raise ArtifactError(
                "this predictor was made in memory, and cannot be pickled or copied",
                hint="save the model, and load it where it is needed: liftune.load(RUN)",
            )
        return reload, (self.origin, self.words)


def worded(method: Callable[Concatenate[Own, Given], Answer]) -> Callable[Concatenate[Own, Given], Answer]:
    """A method of a predictor, whose errors are in the predictor's `words`."""

    @wraps(method)
    def call(self: Own, *given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            return method(self, *given, **named)
        except LiftuneError as error:
            if self.words is not None:
                error.reword(*self.words)
            raise

    return cast("Callable[Concatenate[Own, Given], Answer]", call)


def reload(origin: Origin, words: Words | None = None) -> Any:
    """Load a predictor again.

    Raises:
        ArtifactError: its folder has changed or gone since; what `load_predictor` raises.
    """
    from liftune.inference.locate import locate_model
    from liftune.inference.opening import load_predictor
    from liftune.models.moved_bases import look_in

    for base in origin.bases:
        look_in(base)
    if locate_model(origin.path, use=origin.options["use"], said=origin.options["said"]).files != origin.files:
        raise ArtifactError(
            "the model has changed on the disk since it was loaded, so that its copy would be another model",
            where=origin.path,
            hint="load it again, and copy or pickle that: liftune.load(RUN)",
        )
    predictor: Any = load_predictor(origin.path, **origin.options)
    predictor.words = words
    return predictor
