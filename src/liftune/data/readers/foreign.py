"""Files of kinds that liftune does not read: what each one is, and how to make of it one that it reads.

In: a file's name and first bytes.  Out: a DataError.  Not here: the kinds that it reads (formats.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path, PurePath

from liftune.errors import DataError, nearest, pasted

_PANDAS = 'python -c "import pandas; pandas.{read}({name!r}).to_csv({csv!r}, index=False)"'
_SHEET = "put texts and labels into a spreadsheet of two columns, and save it as CSV (UTF-8)"
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
    ".html": ("a web page", _SHEET),
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
    ".odp": ".pptx", ".htm": ".html", ".text": ".txt", ".log": ".txt", ".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar",
    ".jpg": ".png", ".jpeg": ".png", ".gif": ".png", ".ipynb": ".py", ".zsav": ".sav",
}  # fmt: skip
#: Kinds that liftune reads under their own name.
_READ = {".parquet": "a Parquet", ".arrow": "an Arrow", ".xls": "an old Excel"}
#: Lines that must all hold a separator.
_LINES = 5
#: First bytes -> the extension of a file that has them.
_MAGIC = {
    b"PAR1": ".parquet", b"ARROW1": ".arrow", b"\xff\xff\xff\xff": ".arrow", b"PK\x03\x04": ".zip", b"%PDF": ".pdf",
    b"\xd0\xcf\x11\xe0": ".xls", b"SQLite format 3": ".db", b"\x93NUMPY": ".npy", b"\x89HDF": ".h5",
    b"\x80\x04": ".pkl", b"\x80\x05": ".pkl", b"ORC": ".orc", b"7z\xbc\xaf": ".7z", b"Rar!": ".rar",
    b"Obj\x01": ".avro", b"\x89PNG": ".png", b"\xff\xd8\xff": ".png",
}  # fmt: skip


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
    inside = extension_by_magic(head) or _looks(head)
    if (extension == ".txt" or extension not in _KINDS) and inside in known:
        unknown = f": {extension} may be anything" if extension else ": it has no extension"
        stem = filename.rstrip(".").removesuffix(PurePath(filename).suffix if extension == ".txt" else "")
        return DataError(
            f"the file's name does not say what it is{unknown}",
            where=where,
            hint=f"it looks like {inside[1:]}: rename it to {stem}{inside}",
        )
    kind = extension if extension in _KINDS or inside == ".txt" else inside
    if kind not in _KINDS:
        given = PurePath(filename).suffix.lower() or "no extension"
        hint = f"give one of {', '.join(known)}, plain or compressed"
        return DataError(f"unknown kind of file {given!r}{nearest(given, known)}", where=where, hint=hint)
    what, how = _KINDS[kind]
    hint = _filled(how, kind, where, filename)
    if kind == ".txt" and _begins_with_labels(head):
        command = f"sed -E 's/:? +/\\t/' {pasted(where)} > rows.tsv"
        hint = f"if each line begins with its label, put a tab behind it: {command}; {hint}"
    return DataError(f"liftune does not read this file: it is {what}", where=where, hint=hint)


def _filled(how: str, kind: str, where: str, filename: str) -> str:
    """A hint with the names of the file in it."""
    plain = filename[: len(filename) - len("".join(_suffixes(filename)))] or filename
    names = {
        "name": where,
        "csv": f"{plain}.csv",
        "quoted": pasted(where),
        "folder": pasted(plain),
        "sqlite": _of_database(where, plain) if kind == ".db" else "",
    }
    return how.format(**names)


def extension_by_magic(head: bytes) -> str:
    """The extension of a file that is no text, by its first bytes; empty for all others."""
    return next((each for magic, each in _MAGIC.items() if head.startswith(magic)), "")


def what_and_how(extension: str, where: str) -> tuple[str, str]:
    """What a file of an extension is, and what to do where its name says something else."""
    if extension in _READ:
        return f"{_READ[extension]} file", f"name it {extension}"
    what, how = _KINDS[extension]
    return what, _filled(how, extension, where, PurePath(where).name)


def looks_like_text(path: Path) -> bool:
    """Whether a file's first bytes are those of a text."""
    with path.open("rb") as file:
        head = file.read(4_096)
    return b"\0" not in head and not head.startswith(tuple(_MAGIC))


def _suffixes(name: str) -> list[str]:
    suffixes = PurePath(name).suffixes[-1:]
    return [".tar", *suffixes] if PurePath(PurePath(name).stem).suffix.lower() == ".tar" else suffixes


def _extension(name: str) -> str:
    suffixes = [each.lower() for each in PurePath(name).suffixes]
    if ".tar" in suffixes[-2:]:
        return ".tar"
    return _SAME.get(suffixes[-1], suffixes[-1]) if suffixes else ""


def _looks(head: bytes) -> str:
    """The extension of a text that begins so."""
    if not head.strip() or b"\0" in head:
        return ""
    first, _, _ = head.lstrip().partition(b"\n")
    if first.startswith(b"{"):
        return ".jsonl"
    if first.startswith(b"["):
        return ".json"
    if first.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return ".html"
    lines = [line for line in head.splitlines()[:_LINES] if line.strip()]
    for mark, extension in ((b"\t", ".tsv"), (b";", ".csv"), (b"|", ".csv"), (b",", ".csv")):
        same = len({line.count(mark) for line in lines}) == 1
        # In prose a blank comes after a comma or a semicolon.
        every, before_blanks = (sum(line.count(each) for line in lines) for each in (mark, mark + b" "))
        prose = mark != b"\t" and 2 * before_blanks > every
        if len(lines) > 1 and all(mark in line for line in lines) and (same or mark == b"\t") and not prose:
            return extension
    return ".txt"


def _begins_with_labels(head: bytes) -> bool:
    """Whether the first words of lines are few."""
    lines = [line.split(None, 1) for line in head.splitlines()[:-1]]
    words = [line[0] for line in lines if len(line) > 1]
    return len(words) >= _LINES and 2 * len(set(words)) <= len(words) and len(set(words)) > 1


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
