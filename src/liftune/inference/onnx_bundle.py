"""Predictions of an exported bundle, without torch: only onnxruntime, tokenizers and numpy are imported.

    BUNDLE/bundle.json      what the model is: task, labels, rules of its tokens, thresholds, hashes of the files
    BUNDLE/model.onnx       token ids to logits
    BUNDLE/tokenizer.json   texts to token ids

In: a bundle's folder, rows.  Out: a Bundle; its logits.
Not here: what is the same for all Predictors (predictor.py), bundle.json (bundle_card.py), making a bundle (exports/).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from liftune.data.batching import length_batches
from liftune.data.long_rows import divided, pooled
from liftune.data.token_rules import TokenRules, check_template
from liftune.errors import ArtifactError, SpecError, lacks_memory, need, panics_raised
from liftune.hardware.memory import Attempts, Passes
from liftune.inference.bundle_card import CARD, MODEL, RESTORE, TOKENIZER, BundleCard, damaged_bundle, read_bundle_card
from liftune.inference.predictor import Predictor, confidence_for
from liftune.seals import checked
from liftune.tasks import task_of
from liftune.types import Row

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

#: Rows and tokens, padding included, of one call of the model: small, as the caches of a CPU are. `liftune export` also
#: checks so many rows at a time, because the predictions of a dynamically quantised model depend on it.
ROWS, TOKENS = 32, 512
#: Of onnxruntime's fusions: one kernel for a sum and its norm takes four times as long as both by themselves.
SLOWER = ["SkipLayerNormFusion"]


class Bundle(Predictor):
    """An exported model that is loaded: a Predictor that needs no torch. Threads may share it.

    Its session and tokenizer keep no state of a call, so that calls need not wait for each other.
    """

    card: BundleCard

    def __init__(
        self,
        card: BundleCard,
        session: InferenceSession,
        tokenizer: Tokenizer,
        *,
        threads: int,
        min_precision: float | None = None,
    ) -> None:
        super().__init__(card, min_precision=min_precision)
        self._session, self._threads = session, threads
        self._rules = TokenRules(**{**card.tokens, "endings": tuple(card.tokens["endings"])})
        self._call = self._rules.calls(tokenizer)
        self._passes = Passes()

    @classmethod
    def open(cls, path: str | Path, *, threads: int | None = None, min_precision: float | None = None) -> Bundle:
        """Load a bundle.

        Args:
            min_precision: as in `predict`.
            threads: calls of the model at a time; None takes as many as this process may use CPUs.

        Raises:
            ArtifactError: there is no bundle, or a file of it is missing or is not the one that was exported.
            MissingExtra: onnxruntime is not installed.
        """
        need("onnxruntime")
        folder = Path(path)
        card = read_bundle_card(folder)
        confidence_for(card, min_precision)  # refused before the model is loaded
        with checked(folder, card.files, card=CARD, hint=RESTORE):
            session, error = _session(folder / MODEL)
        if session is None:
            raise damaged_bundle(folder / MODEL, error)
        threads = threads or usable_cpus()
        return cls(card, session, _tokenizer(folder / TOKENIZER), threads=threads, min_precision=min_precision)

    def note_passes(self, note: Attempts) -> None:
        """As of Predictor."""
        self._passes.note_in(note)

    @property
    def rules(self) -> TokenRules:
        """How it reads texts."""
        return self._rules

    def encode(self, rows: Sequence[Row]) -> tuple[list[list[int]], list[list[int]], NDArray[np.intp]]:
        """Token ids and token types of each window, and (N + 1,) where each row's windows begin, and the last end."""
        ids, types, windows = self._rules.read(rows, self._call)
        firsts = np.cumsum([0, *(max(1, len(each)) for each in windows)], dtype=np.intp)
        if len(rows) == firsts[-1]:
            return ids, types, firsts
        return divided(ids, windows), divided(types, windows), firsts

    def as_read(self, row: Row) -> Hashable:
        """As of Predictor."""
        return tuple(map(tuple, self.encode([row])[0]))

    def _logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        ids, types, firsts = self.encode(rows)
        batches = list(length_batches([len(each) for each in ids], rows=ROWS, tokens=TOKENS))
        return pooled(self._run(ids, types, batches), firsts, self._rules.pooling)

    def logits_by(self, rows: Sequence[Row], count: int) -> NDArray[np.float32]:
        """What `logits` gives, `count` rows of the input order at a time: what `liftune export` checks."""
        ids, types, firsts = self.encode(rows)
        starts = range(0, len(rows), count)
        batches = [np.arange(firsts[at], firsts[min(at + count, len(rows))]) for at in starts]
        return pooled(self._run(ids, types, batches), firsts, self._rules.pooling)

    def _run(
        self, ids: list[list[int]], types: list[list[int]], batches: list[NDArray[np.intp]]
    ) -> NDArray[np.float32]:
        outputs = task_of(self.task).outputs(self.labels)
        logits = np.zeros((len(ids), outputs), dtype=np.float32)

        def one(positions: NDArray[np.intp]) -> None:
            self._passes(compute, positions, lambda chosen: len(chosen) * max(len(ids[i]) for i in chosen))

        def compute(positions: NDArray[np.intp]) -> None:
            inputs = self._collate([ids[i] for i in positions], [types[i] for i in positions])
            try:
                logits[positions] = self._session.run(None, inputs)[0]
            except Exception as error:  # onnxruntime raises classes of its own, straight from Exception
                if lacks_memory(error):
                    raise
                raise _do_not_fit(str(error).splitlines()[0]) from None

        if self._threads == 1 or len(batches) == 1:
            for positions in batches:
                one(positions)
        else:
            # One session whose calls take one thread each: faster than as many threads in one call, as none waits.
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(one, batches))
        return logits

    def _collate(self, ids: list[list[int]], types: list[list[int]]) -> dict[str, NDArray[np.int64]]:
        """(B, L) inputs, padded on the right to the longest row."""
        longest = max(map(len, ids))
        inputs = {name: np.zeros((len(ids), longest), dtype=np.int64) for name in self.card.inputs}
        for i, row in enumerate(ids):
            inputs["input_ids"][i, : len(row)] = row
            inputs["input_ids"][i, len(row) :] = self._rules.pad
            if "attention_mask" in inputs:
                inputs["attention_mask"][i, : len(row)] = 1
            if "token_type_ids" in inputs:
                inputs["token_type_ids"][i, : len(row)] = types[i]
        return inputs


def usable_cpus() -> int:
    """How many CPUs this process may use, as far as OMP_NUM_THREADS allows."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(limit)) if limit.isdecimal() and int(limit) else allowed


def refuse_options(*, device: str | None, with_base: bool, precision: str | None) -> None:
    """Refuse what a bundle cannot do.

    Raises:
        SpecError: a GPU was asked for, the base model, or another precision.
    """
    if precision is not None:
        raise SpecError(
            "a bundle's precision was fixed when it was exported",
            where="--precision",
            hint="leave it out, or export the run again with another --format",
        )
    if with_base:
        raise SpecError(
            "a bundle holds only the tuned model", where="--with-base", hint="leave it out, or give the run's folder"
        )
    if device not in (None, "cpu"):
        raise SpecError(
            f"a bundle runs on the CPU, not on {device!r}",
            where="--device",
            hint="leave it out, or give the run's folder",
        )


def _session(path: Path) -> tuple[InferenceSession | None, str]:
    """A session whose calls take one thread each, or why there is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # every batch has a shape of its own
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
        )
        return session, ""
    except Exception as error:  # onnxruntime raises classes of its own, straight from Exception
        if lacks_memory(error):
            raise
        return None, str(error).splitlines()[0]


def _tokenizer(path: Path) -> Tokenizer:
    import tokenizers

    try:
        with panics_raised():
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every fault of a file
        if lacks_memory(error):
            raise
        raise damaged_bundle(path, str(error)) from None
    check_template(tokenizer)
    return tokenizer


def _do_not_fit(reason: str) -> ArtifactError:
    return ArtifactError(f"{TOKENIZER} and {MODEL} do not fit together: {reason}", hint="export the run again")
