"""Files of rows: read at once, as a stream, as data to tune on, and as rows to predict.

In: mutated files of every format.  Out: targets.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from workbooks import write_xlsx

from fuzz.mutations import any_text, broken_bytes, broken_json, broken_packed, broken_zip, dumped
from fuzz.target import Target, drained, each, target
from fuzz.tokens import TOKENS, VALUES
from liftune.data import load_data
from liftune.data.readers.formats import open_stream, read_bytes
from liftune.inference.files import predict_file
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.progress import Progress
from liftune.spec import DataSpec
from liftune.tasks import TaskKind
from liftune.types import Row

ROWS = [
    {"id": i, "text": f"{'The meal was' if i % 2 else 'A dull film'} number {i}", "label": ("good", "bad")[i % 2], "n": i / 4}
    for i in range(14)
]  # fmt: skip
_NESTED = [{**row, "labels": ["a", "b"][: i % 3], "more": {"x": [i], "y": None}} for i, row in enumerate(ROWS)]
_QUIET = Progress(quiet=True)
#: Checking all rows takes some fifty times as long as reading them.
_RARELY = 16


class Fake:
    """Answers by the length of the text."""

    base_head = columns = min_precision = None
    task, pairs, labels = TaskKind.SINGLE_LABEL, False, ("short", "long")

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """A prediction a row."""
        lengths = np.array([[len(str(row))] for row in rows], dtype=np.float32).reshape(-1, 1)
        return predictions_of_logits(rows, np.hstack([lengths, 9 - lengths]), labels=self.labels, task=self.task)


def read_every_way(name: str, data: bytes) -> None:
    """By the doors that a file comes in by; by those that take long, one in so many."""
    path, chance = Path(name), zlib.crc32(data) % _RARELY
    steps: list[Callable[[], object]] = [partial(_read, data, name)]
    if chance < 4:
        path.write_bytes(data)
        steps.append(partial(_stream, path))
    if chance == 0:
        steps.append(partial(load_data, DataSpec(source=name)))
    if chance == 1:
        steps.append(partial(_predict, name, "out.csv" if len(data) % 2 else "out.parquet"))
    each(*steps)


def _read(data: bytes, name: str) -> None:
    table = read_bytes(data, name, name)
    for column in table.columns:
        table.read(column)
    for position in range(min(3, table.rows)):
        table.place(position)


def _stream(path: Path) -> None:
    drained(line for block in open_stream(path).blocks(5) for line in block)


def _predict(name: str, out: str) -> None:
    predict_file(Fake(), name, out, progress=_QUIET)  # type: ignore[arg-type] # what is asked of it here


def _csv(separator: str = ",", newline: str = "\n", quote: str = "") -> str:
    lines = [["id", "text", "label", "n"], *[[str(cell) for cell in row.values()] for row in ROWS]]
    return newline.join(separator.join(f"{quote}{cell}{quote}" for cell in line) for line in lines) + newline


_TABLES = [_csv(), _csv(";", "\r\n"), _csv(",", "\n", '"'), _csv("\t")]
_SAMPLES = [each.encode() for each in _TABLES] + [
    _csv().replace("dull", "düll").encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252")
]  # fmt: skip


@target("csv")
def csv_files() -> Target:
    """Text between separators, in several encodings."""
    return Target("csv", broken_bytes(_SAMPLES), partial(read_every_way, "rows.csv"))


@target("tsv")
def tsv_files() -> Target:
    """Text between tabs."""
    return Target("tsv", broken_bytes([_TABLES[3].encode(), *_SAMPLES[4:6]]), partial(read_every_way, "rows.tsv"))


def _json_samples() -> list[bytes]:
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    split = {"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]}
    parts = {"train": ROWS[:8], "validation": ROWS[8:11], "test": ROWS[11:]}
    shapes: list[Any] = [
        ROWS,
        _NESTED,
        columns,
        split,
        parts,
        {"data": ROWS, "version": 1},
        {f"r{r['id']}": r for r in ROWS},
    ]
    return [json.dumps(each).encode() for each in [*shapes, json.dumps(ROWS)]]


@target("json")
def json_files() -> Target:
    """Rows in the shapes that tools write."""
    return Target("json", broken_json(_json_samples()), partial(read_every_way, "rows.json"))


@target("jsonl")
def json_lines() -> Target:
    """An object a line."""
    samples = ["\n".join(map(json.dumps, rows)).encode() for rows in (ROWS, _NESTED)]
    return Target("jsonl", broken_json(samples), partial(read_every_way, "rows.jsonl"))


def _tables() -> list[pa.Table]:
    columns: dict[str, Any] = {
        "text": pa.array([row["text"] for row in ROWS]),
        "label": pa.array([row["label"] for row in ROWS]).dictionary_encode(),
        "big": pa.array([2**63 - 1, None] * 7),
        "list": pa.array([["a", None], []] * 7),
        "struct": pa.array([{"x": 1, "y": "z"}, None] * 7),
        "time": pa.array([-(2**62), 2**62] * 7, pa.timestamp("ns", tz="UTC")),
        "day": pa.array([2**31 - 1, -(2**31)] * 7, pa.date32()),
        "length": pa.array([2**62, None] * 7, pa.duration("s")),
        "half": pa.array(np.array([1.5, np.inf] * 7, dtype=np.float16)),
        "decimal": pa.array([None, 10**30] * 7, pa.decimal256(50, 3)),
        "bytes": pa.array([b"\xff", b"ab"] * 7),
        "map": pa.array([[("a", 1)], None] * 7, pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(14),
    }
    several = [pa.table({"text": columns["text"], "label": columns[name]}) for name in columns if name != "text"]
    return [pa.table(columns), pa.table({"text": columns["text"], "label": columns["label"]}), *several]


def _as_parquet(table: pa.Table, **options: Any) -> bytes:
    packed = io.BytesIO()
    pq.write_table(table, packed, **options)
    return packed.getvalue()


def _as_arrow(table: pa.Table, kind: str) -> bytes:
    packed = io.BytesIO()
    if kind == "feather":
        pyarrow.feather.write_feather(table, packed, compression="lz4")
    else:
        opened = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with opened(packed, table.schema) as writer:
            writer.write_table(table)
    return packed.getvalue()


@target("parquet")
def parquet_files() -> Target:
    """Columns of every type."""
    samples = [_as_parquet(table) for table in _tables()]
    samples.append(_as_parquet(_tables()[0], compression="zstd", use_dictionary=False))
    return Target("parquet", broken_bytes(samples), partial(read_every_way, "rows.parquet"))


@target("arrow")
def arrow_files() -> Target:
    """Arrow files and streams, and Feather."""
    samples = [_as_arrow(table, kind) for table in _tables()[:6] for kind in ("file", "stream", "feather")]
    return Target("arrow", broken_bytes(samples), partial(read_every_way, "rows.arrow"))


@target("xlsx")
def workbooks() -> Target:
    """Excel workbooks, changed in any of their files."""
    path, samples = Path("book.xlsx"), []
    rows: list[Sequence[object]] = [list(ROWS[0]), *[list(row.values()) for row in ROWS]]
    books: list[dict[str, Sequence[Sequence[object]]]] = [{"rows": rows}, {"a": rows, "b": rows[:2]}]
    for sheets in books:
        write_xlsx(path, sheets)
        samples.append(path.read_bytes())
    return Target("xlsx", broken_zip(samples), partial(read_every_way, "rows.xlsx"))


@target("zip")
def archives() -> Target:
    """A file in an archive."""
    import zipfile

    samples = []
    for name, data in (
        ("rows.csv", _SAMPLES[0]),
        ("rows.jsonl", json.dumps(ROWS[0]).encode()),
        ("a.parquet", _as_parquet(_tables()[1])),
    ):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        samples.append(packed.getvalue())
    return Target("zip", broken_zip(samples), partial(read_every_way, "rows.zip"))


@target("packed")
def compressed() -> Target:
    """Compressed files, by whichever compression, under the name of any."""
    import pyarrow as arrow

    samples = [*_SAMPLES[:5], gzip.compress(_SAMPLES[0]), bytes(arrow.compress(_SAMPLES[0], "zstd", asbytes=True))]

    def read(data: bytes) -> None:
        for ending in (".gz", ".xz", ".bz2", ".zst", ".lz4"):
            read_every_way(f"rows.csv{ending}", data)

    return Target("packed", broken_packed(samples), read)


@target("labels")
def label_columns() -> Target:
    """Columns of labels and numbers that hold anything."""
    usual: list[Any] = [
        "a",
        "b",
        "c",
        "0",
        "1",
        "0.5",
        "1.5",
        "a|b",
        "['a']",
        "[0, 1]",
        0,
        1,
        0.5,
        ["a"],
        [0, 1],
        True,
        None,
    ]
    tokens = [each.decode("utf-8", "replace") for each in TOKENS if len(each) < 2_000 or b"[" in each]
    odd = [*tokens, *VALUES]

    def made(random: Random) -> bytes:
        cells = [random.choice(usual) for _ in range(random.randint(4, 30))]
        for _ in range(random.randint(1, 4)):
            cells[random.randrange(len(cells))] = random.choice(odd) if random.random() < 0.8 else any_text(random, 4)
        return dumped(cells)

    return Target("labels", made, _read_labels)


def _read_labels(data: bytes) -> None:
    try:
        cells = json.loads(data)
    except ValueError:
        return  # what minimising leaves
    if not isinstance(cells, list):
        return
    rows = [{"text": f"row {i} of them", "label": cell} for i, cell in enumerate(cells)]
    Path("labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    written = io.StringIO(newline="")
    import csv

    table = csv.writer(written)
    table.writerows([["text", "label"], *[[row["text"], row["label"]] for row in rows]])
    Path("labels.csv").write_text(written.getvalue(), encoding="utf-8", errors="replace")
    options: list[dict[str, Any]] = [{}, {"task": TaskKind.REGRESSION}, {"task": TaskKind.MULTI_LABEL}]
    options += [{"label_threshold": 0.5}, {"merge_labels": ("case", "space", "unicode", "truth")}]
    wanted = options[len(cells) % len(options)]
    for name in ("labels.jsonl", "labels.csv"):
        each(partial(load_data, DataSpec(source=name, **wanted)), partial(load_data, DataSpec(source=name)))
