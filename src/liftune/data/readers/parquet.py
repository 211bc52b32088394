"""Apache Parquet, whose columns are read one by one: a column that nobody needs costs nothing.

In: a RawFile.  Out: a Stream, with the class names that `datasets` declares.
Not here: Parquet of predictions (inference/writers.py).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from liftune.data.readers.streams import Record, Stream
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError

#: Rows decoded at once.
_BATCH = 4_096


def open_parquet(file: RawFile) -> Stream:
    """The rows of a Parquet file, in constant memory if it is on disk and not gzipped.

    Raises:
        DataError: not Parquet, no rows, or two columns of one name.
    """
    import pyarrow.parquet

    path = file.plain_path
    data = b"" if path else file.read()
    if not (path.stat().st_size if path else data):
        raise DataError("the file is empty", where=file.where, hint="give a Parquet file with rows")

    @contextmanager
    def opened() -> Iterator[Any]:
        with _damage(file.where), pyarrow.parquet.ParquetFile(path or io.BytesIO(data)) as content:
            yield content

    with opened() as content:
        rows, columns = content.metadata.num_rows, tuple(content.schema_arrow.names)
        class_names = _declared_names(content.schema_arrow.metadata or {})
    if not rows:
        raise DataError(f"columns ({', '.join(columns)}) and no rows", where=file.where, hint="give a file with rows")
    if len(set(columns)) < len(columns):
        raise DataError("two columns have one name", where=file.where, hint="give every column its own name")

    def records() -> Iterator[Record[dict[str, Any]]]:
        with opened() as content:
            for batch in content.iter_batches(batch_size=_BATCH):
                yield from ((cells, None, None) for cells in batch.to_pylist())

    def column(name: str) -> list[Any]:
        with opened() as content:
            return list(content.read(columns=[name]).column(name).to_pylist())

    return Stream(file.where, columns, rows, records, column, lines=False, class_names=class_names)


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Turn what pyarrow raises over a damaged file into a DataError."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"not a Parquet file: {str(error).splitlines()[0]}",
            where=where,
            hint="write it again as Parquet, or name it by what it is (.csv, .tsv, .jsonl)",
        ) from None


def _declared_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """ClassLabel names that `datasets` writes into a Parquet file's schema, by column."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {column: names for column, feature in features.items() if (names := _names(feature))}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}  # written by another tool, or by a version with another layout: numbers stay numbers


def _names(feature: Any) -> tuple[str, ...]:
    if isinstance(feature, list):  # how older versions write a list of labels
        return _names(feature[0])
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _names(feature["feature"])
    return tuple(feature["names"]) if feature.get("_type") == "ClassLabel" else ()
