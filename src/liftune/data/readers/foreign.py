"""Files of kinds that liftune does not read: what each one is, and how to make of it one that it reads.

In: a file's name and first bytes.  Out: a DataError.  Not here: the kinds that it reads (formats.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path, PurePath

from liftune.data.readers.encoding_of import in_utf8
from liftune.data.readers.looks import begins_with_labels, divided_by_blanks, extension_by_magic, looks_of
from liftune.errors import DataError, pasted

_PANDAS = 'python -c "import pandas; pandas.{read}({name!r}).to_csv({csv!r}, index=False)"'
_SHEET = "put texts and labels into a spreadsheet of two columns, and save it as CSV (UTF-8)"
_TABLE = (
    "open it in a spreadsheet program and save it as CSV (UTF-8); or, with pandas and lxml: python -c "
    '"import pandas; pandas.read_html({name!r})[0].to_csv({csv!r}, index=False)"'
)
#: A span with its label a line: T1, tab, the label and where the span is, tab, the span.
_SPANS = 'awk -F\'\\t\' \'BEGIN {print "text\\tlabel"} /^T/ {split($2, a, " "); print $3 "\\t" a[1]}\''
_CREATED = re.compile(rb"(?:create table|insert into)\s+(?:if not exists\s+)?[`\"\[]?([\w.]+)", re.IGNORECASE)
_UNPACK = "unpack it ({command}), and name the file or folder that comes out"

#: Extension -> what the file is, and what to do.
_KINDS: dict[str, tuple[str, str]] = {
    ".pkl": (
        "a Python pickle",
        "only if you trust it, as it can run code: " + _PANDAS.replace("{read}", "read_pickle"),
    ),
    ".npy": (
        "a numpy array",
        "write texts and labels side by side: pandas.DataFrame({{'text': ..., 'label': ...}}).to_csv({csv!r})",
    ),
    ".pt": ("saved by torch", "write its texts and labels as CSV or JSON lines from Python"),
    ".h5": ("an HDF5 file", _PANDAS.replace("{read}", "read_hdf")),
    ".orc": ("an ORC file", _PANDAS.replace("{read}", "read_orc")),
    ".dta": ("a Stata file", _PANDAS.replace("{read}", "read_stata")),
    ".sav": ("an SPSS file", _PANDAS.replace("{read}", "read_spss")),
    ".sas7bdat": ("a SAS file", _PANDAS.replace("{read}", "read_sas")),
    ".xml": ("an XML file", _PANDAS.replace("{read}", "read_xml")),
    ".rds": ("an R object", "in R: write.csv(readRDS({name!r}), {csv!r}, row.names = FALSE)"),
    ".rda": ("an R workspace", "in R: load({name!r}); write.csv(THE_DATA_FRAME, {csv!r}, row.names = FALSE)"),
    ".mat": ("a MATLAB file", "in MATLAB: writetable(T, {csv!r}) with T a table of texts and labels"),
    ".tfrecord": ("a TFRecord file", "load it with `datasets` or TensorFlow, and write it as Parquet"),
    ".avro": ("an Avro file", "write it as Parquet or JSON lines with the tool that made it"),
    ".yaml": ("a YAML file", 'write it as JSON lines: one {{"text": ..., "label": ...}} a line'),
    ".db": ("a SQLite database", "{sqlite}"),
    ".docx": ("a Word document", _SHEET),
    ".pdf": ("a PDF", _SHEET),
    ".pptx": ("a presentation", _SHEET),
    ".html": ("a web page", _TABLE),
    ".md": ("a Markdown text", "a table in it is read as CSV: grep '|' {quoted} > {table}"),
    ".tex": ("a LaTeX text", _SHEET),
    ".sql": ("a SQL dump", "{dump}"),
    ".ann": ("annotations of brat, spans of a text beside it", "{spans}"),
    ".log": (
        "a log",
        "write the text of each line and its label to a .tsv file: text, tab, label, below a line of these names; "
        "to predict a text a line: liftune predict RUN --in - < {quoted}",
    ),
    ".numbers": ("a workbook of Apple Numbers", "export it as CSV (UTF-8) or Excel"),
    ".gsheet": ("a link to a Google sheet", "download the sheet as CSV"),
    ".txt": (
        "a text file without columns",
        "with a tab or comma between text and label, name it .tsv or .csv; else put "
        "each text into a folder named by its label: LABEL/1.txt; to predict a text a line: liftune predict RUN --in - "
        "< {quoted}",
    ),
    ".zip": ("a zip archive", _UNPACK.format(command="unzip {quoted} -d {folder}")),
    ".tar": ("a tar archive", _UNPACK.format(command="mkdir {folder}; tar xf {quoted} -C {folder}")),
    ".7z": ("a 7-Zip archive", _UNPACK.format(command="7z x {quoted} -o{folder}")),
    ".rar": ("a RAR archive", _UNPACK.format(command="unrar x {quoted} {folder}/")),
    ".png": ("an image", "give texts"),
    ".py": ("Python code", "give the data that it loads or writes"),
}
_SAME = {
    ".pickle": ".pkl", ".joblib": ".pkl", ".npz": ".npy", ".pth": ".pt", ".bin": ".pt", ".safetensors": ".pt",
    ".hdf5": ".h5", ".hdf": ".h5", ".rdata": ".rda", ".tfrecords": ".tfrecord", ".yml": ".yaml", ".sqlite": ".db",
    ".sqlite3": ".db", ".db3": ".db", ".doc": ".docx", ".odt": ".docx", ".rtf": ".docx", ".ppt": ".pptx",
    ".odp": ".pptx", ".htm": ".html", ".text": ".txt", ".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar",
    ".jpg": ".png", ".jpeg": ".png", ".gif": ".png", ".ipynb": ".py", ".zsav": ".sav",
    ".markdown": ".md",
}  # fmt: skip
#: Kinds that liftune reads under their own name.
_READ = {".parquet": "a Parquet", ".arrow": "an Arrow", ".xls": "an old Excel"}


def kind_of(name: str) -> str:
    """What a file is, by its name.

    >>> kind_of("train.pkl"), kind_of("notes")
    ('a Python pickle', 'of an unknown kind')
    """
    extension = _extension(name)
    return _KINDS[extension][0] if extension in _KINDS else "of an unknown kind"


def not_read(filename: str, where: str, head: bytes, known: Iterable[str]) -> DataError:
    """The error for a file of a kind that liftune does not read: what it is, and how to convert it.

    Args:
        head: its first bytes.
        known: the extensions of files that liftune reads.
    """
    known = list(known)
    extension = _extension(filename)
    inside = extension_by_magic(head) or looks_of(head)
    if (extension == ".txt" or extension not in _KINDS) and inside in known:
        unknown = f": {extension} may be anything" if extension else ": it has no extension"
        stem = filename.rstrip(".").removesuffix(PurePath(filename).suffix if extension == ".txt" else "")
        return DataError(
            f"the file's name does not say what it is{unknown}",
            where=where,
            hint=f"it looks like {inside[1:]}: rename it to {stem}{inside}",
        )
    kind = extension if extension in _KINDS or inside == ".txt" else inside
    unknown = ""
    if kind not in _KINDS:
        given = PurePath(filename).suffix.lower() or "no extension"
        unknown = f"unknown kind of file {given!r}"
        if inside != ".txt" or b"\n" not in in_utf8(head).strip():
            hint = f"give one of {', '.join(known)}, plain or compressed"
            return DataError(unknown, where=where, hint=hint)
        kind = inside
    what, how = _KINDS[kind]
    hint = _filled(how, kind, where, filename, head)
    if kind == ".txt" and divided_by_blanks(head):
        code = 'import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter=" "))'
        hint = f"blanks divide its columns: python -c {pasted(code)} < {pasted(where)} > rows.csv"
    elif kind == ".txt" and begins_with_labels(head):
        command = f"sed -E 's/:? +/\\t/' {pasted(where)} > rows.tsv"
        hint = f"if each line begins with its label, put a tab behind it: {command}; {hint}"
    return DataError(f"{unknown or 'liftune does not read this file'}: it is {what}", where=where, hint=hint)


def _filled(how: str, kind: str, where: str, filename: str, head: bytes = b"") -> str:
    """A hint with the names of the file in it."""
    plain = filename[: len(filename) - len("".join(_suffixes(filename)))] or filename
    names = {
        "name": where,
        "csv": f"{plain}.csv",
        "table": pasted(f"{plain}.csv"),
        "quoted": pasted(where),
        "folder": pasted(plain),
        "sqlite": _of_database(where, plain) if kind == ".db" else "",
        "dump": _of_dump(head, where, plain) if kind == ".sql" else "",
        "spans": _of_spans(where) if kind == ".ann" else "",
    }
    return how.format(**names)


def what_and_how(extension: str, where: str) -> tuple[str, str]:
    """What a file of an extension is, and what to do where its name says something else."""
    if extension in _READ:
        return f"{_READ[extension]} file", f"name it {extension}"
    what, how = _KINDS[extension]
    return what, _filled(how, extension, where, PurePath(where).name)


def _suffixes(name: str) -> list[str]:
    suffixes = PurePath(name).suffixes[-1:]
    return [".tar", *suffixes] if PurePath(PurePath(name).stem).suffix.lower() == ".tar" else suffixes


def _extension(name: str) -> str:
    suffixes = [each.lower() for each in PurePath(name).suffixes]
    if ".tar" in suffixes[-2:]:
        return ".tar"
    return _SAME.get(suffixes[-1], suffixes[-1]) if suffixes else ""


def _of_database(where: str, plain: str) -> str:
    """How to write a table of a SQLite database as CSV."""
    import sqlite3

    tables: list[str] = []
    path = Path(where)
    if path.is_file():
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
                rows = base.execute("select name from sqlite_master where type in ('table', 'view') order by name")
                tables = [name for (name,) in rows]
        except sqlite3.Error:
            tables = []
    query = pasted(f'select * from "{tables[0] if tables else "TABLE"}"')
    there = f" (its tables: {', '.join(tables)})" if tables else ""
    return f"sqlite3 -header -csv {pasted(where)} {query} > {pasted(f'{plain}.csv')}{there}"


def _of_dump(head: bytes, where: str, plain: str) -> str:
    """How to write a table of a SQL dump as CSV: by SQLite where it takes the dump, else by the database it is of."""
    tables = list(dict.fromkeys(name.decode("utf-8", "replace") for name in _CREATED.findall(head)))
    query = pasted(f'select * from "{tables[0] if tables else "TABLE"}"')
    there = f" (its tables begin with: {', '.join(tables)})" if tables else ""
    command = f"sqlite3 -cmd {pasted(f'.read {where}')} -header -csv :memory: {query} > {pasted(f'{plain}.csv')}{there}"
    return f"where SQLite takes it: {command}; else load it into its own database, and write the table as CSV"


def _of_spans(where: str) -> str:
    """How to write the spans of all files of brat beside one as TSV."""
    folder = PurePath(where).parent
    every = f"{pasted(folder)}/*.ann" if folder.name else "*.ann"
    return f"a span with its label a line: {_SPANS} {every} > {pasted((folder.name or 'spans') + '.tsv')}"
