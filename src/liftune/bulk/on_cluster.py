"""Files predicted by the workers of a cluster, each of which holds the model: a lost node costs its file another try.

In: a Task, Shards, an address.  Out: each file with what came of it.
Not here: Ray (liftune.cluster), one file (shard_work.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from liftune.addresses import Address
from liftune.bulk.notes import BEGUN, Note
from liftune.bulk.place import Here
from liftune.bulk.shard_work import Failure, Remark, Rows, Task, work
from liftune.bulk.shards import Shard
from liftune.cluster import Cluster, Share, joined, on_cluster
from liftune.errors import EXTRAS, SpecError
from liftune.inference.locate import SavedModel
from liftune.processes import Say, Trouble

#: Modules that a node must have.
_FOR_BUNDLES = (*EXTRAS["runtime"], "tokenizers")


@dataclass(frozen=True)
class _Heard:
    """What came of a file, and what was said meanwhile."""

    outcome: Note | Failure
    said: tuple[Remark, ...]


def outcomes_on_cluster(
    task: Task, model: SavedModel, left: Sequence[Shard], *, tries: int, again: Callable[[Shard, str], None], hear: Say
) -> Generator[tuple[Shard, Note | Failure | Trouble], None, None]:
    """Each file with what came of it, in the order in which they finish.

    Raises:
        LiftuneError: there is no such cluster, it is not fit for the work, or no file could be written.
    """
    options = task.options
    assert options.cluster is not None
    share = Share(1.0, 1.0 if (options.device or "").startswith("cuda") else 0.0)
    modules = _FOR_BUNDLES if model.kind == "bundle" else EXTRAS["tune"]
    with joined(options.cluster, share, modules=modules, what="a worker", asks="--device cpu") as cluster:
        _refuse_unseen(cluster, task, model)
        said = replace(options.said, bases=tuple(map(_everywhere, options.said.bases)))
        options = replace(options, run=_everywhere(options.run), said=said)
        task = replace(task, options=options, bases=tuple(map(_everywhere, task.bases)), threads=1)
        found = on_cluster(cluster, left, worker, task, share=share, most=options.jobs, tries=tries, again=again)
        with closing(found):
            for shard, outcome in found:
                if isinstance(outcome, Trouble):
                    yield shard, outcome
                    continue
                for each in outcome.said:
                    hear(each)
                if isinstance(outcome.outcome, Note):
                    hear(Rows(outcome.outcome.rows))
                yield shard, outcome.outcome


def worker(task: Task) -> Callable[[Shard], _Heard | Trouble]:
    """In a process of the cluster: what predicts a file, with the model loaded once."""

    def do(shard: Shard) -> _Heard | Trouble:
        said: list[Remark] = []
        outcome = work(task, shard, lambda what: said.append(what) if isinstance(what, Remark) else None)
        return outcome if isinstance(outcome, Trouble) else _Heard(outcome, tuple(said))

    return do


def _everywhere(name: str) -> str:
    """A path as it is for processes that work elsewhere; a name on the hub as it is."""
    return os.path.abspath(name) if os.path.exists(name) else name


def _refuse_unseen(cluster: Cluster, task: Task, model: SavedModel) -> None:
    """Refuse folders that a node does not see: it would read other files there, or write where nobody looks.

    Raises:
        SpecError: naming node and folder.
    """
    wanted = {os.path.abspath(model.folder): "the model"}
    if not isinstance(task.options.source, Address):
        wanted[os.path.abspath(str(task.options.source))] = "--in"
    if isinstance(task.place, Here):
        wanted[os.path.join(task.place.name, BEGUN)] = "--out"

    # Within a function it is sent as it is.
    def look(paths: Sequence[str]) -> list[str]:
        import os

        return [path for path in paths if not os.path.exists(path)]

    for node, missing in cluster.on_each(look, tuple(wanted)).items():
        if missing:
            folder = str(Path(missing[0]).parents[1]) if wanted[missing[0]] == "--out" else missing[0]
            raise SpecError(
                f"{node} of the cluster does not see {folder}",
                where=wanted[missing[0]],
                hint="put it on a disk that all nodes have at the same path; --in and --out may be s3:// or gs:// too",
            )
