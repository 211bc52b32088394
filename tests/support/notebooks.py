"""The notebooks of this repository: read, and executed with other settings.

In: a notebook's path, values for names of its settings cell.  Out: the notebook with its outputs, of a kernel or of
this process.
Not here: assertions, the small data and models (tests/notebooks/).
"""

from __future__ import annotations

import ast
import os
import sys
from base64 import b64encode
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import CapturedIO, capture_output
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Of the cell whose values may be replaced; Papermill replaces those of the same tag.
TAG = "parameters"


def read(path: Path) -> Any:
    """A notebook."""
    return nbformat.read(path, as_version=4)


def settings_cell(notebook: Any) -> Any:
    """The one cell of settings."""
    (cell,) = [each for each in notebook.cells if TAG in each.metadata.get("tags", ())]
    return cell


def settings_of(notebook: Any) -> dict[str, Any]:
    """Name -> value of the settings cell, whose values are literals."""
    statements = ast.parse(settings_cell(notebook).source).body
    return {each.targets[0].id: ast.literal_eval(each.value) for each in statements if isinstance(each, ast.Assign)}


def with_settings(notebook: Any, **values: Any) -> Any:
    """The notebook with a cell after its settings that assigns others.

    Raises:
        ValueError: the settings have no such name, so that the value would be read by nobody.
    """
    unknown = set(values) - set(settings_of(notebook))
    if unknown:
        raise ValueError(f"no setting is called {', '.join(sorted(unknown))}")
    place = notebook.cells.index(settings_cell(notebook)) + 1
    lines = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(place, nbformat.v4.new_code_cell(lines))
    return notebook


def execute(notebook: Any, folder: Path, *, seconds: int = 1800) -> Any:
    """Run all cells in a kernel that works in a folder, without a network.

    Raises:
        CellExecutionError: a cell raised.
    """
    before = dict(os.environ)
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    os.environ.update({"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "JUPYTER_PLATFORM_DIRS": "1"})
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    try:
        client = NotebookClient(
            notebook, timeout=seconds, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return notebook


def execute_here(notebook: Any, folder: Path) -> Any:
    """Run all cells in this process: by IPython as a kernel does, without importing torch and the rest once more.

    Raises:
        Exception: what a cell raised.
    """
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.display_trap.hook = lambda value: None if value is None else display(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))  # so liftune knows that a notebook looks on
        patch.chdir(folder)
        for cell in (each for each in notebook.cells if each.cell_type == "code"):
            with capture_output() as captured:
                shell.run_cell(cell.source).raise_error()
            cell.outputs = outputs_of(captured)
    InteractiveShell.clear_instance()
    return notebook


def outputs_of(captured: CapturedIO) -> list[Any]:
    """What a cell showed, as a notebook holds it: pictures as text."""
    streams = {"stdout": captured.stdout, "stderr": captured.stderr}
    outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in streams.items() if text]
    for each in captured.outputs:
        data = {kind: b64encode(one).decode() if isinstance(one, bytes) else one for kind, one in each.data.items()}
        outputs.append(nbformat.v4.new_output("display_data", data=data))
    return outputs


def printed(notebook: Any, name: str) -> str:
    """All text of a stream, `stdout` or `stderr`, in order."""
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    return "".join(each.text for each in outputs if each.output_type == "stream" and each.name == name)


def shown(notebook: Any, kind: str) -> list[Any]:
    """What cells displayed in a MIME type, in order."""
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    return [each.data[kind] for each in outputs if kind in each.get("data", {})]
