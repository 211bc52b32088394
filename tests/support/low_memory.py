"""Run a command under limits of its address space, and say how each ended and whether it answered as without a limit.

    python tests/support/low_memory.py PLACE COMMAND [MIB ...] -- OPTION ...

In: a folder to work in, `tune` or `predict`, how much each limit leaves beyond what importing takes, options of the
command line.  Out: a line of JSON for each limit: exit codes, in what stage it ended, how far the answers are.
Not here: what is asserted (faults/test_low_memory.py).

A limit of the address space, as `prlimit --as` or `ulimit -v` set it, makes allocations fail that the machine has
memory for: whatever asks for memory meets it, in Python and in the libraries.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

MIB = 2**20
LEVELS = (50, 100, 200, 400, 800, 1600)
#: What every command imports before it computes; then the address space is measured.
IMPORTING = """
import importlib, re, sys
for name in ("liftune.cli.main", "liftune.workflows.tune_stages", "liftune.workflows.predict", "accelerate",
             "liftune.inference.bases", "peft", "transformers.models.distilbert.modeling_distilbert",
             "sklearn.linear_model",
             "sklearn.feature_extraction.text", "scipy.stats", "scipy.optimize", "matplotlib.figure", "jinja2"):
    importlib.import_module(name)
print(re.search(r"VmPeak:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""
#: How often a command is given again that was ended by a library or the kernel.
AGAIN = 3


def after_importing() -> int:
    """Bytes of address space."""
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True)
    return 1024 * int(done.stdout.split()[-1])


def run(arguments: list[str], limit: int | None) -> tuple[int, str]:
    """Exit code, and what was said."""

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    argv = [sys.executable, "-m", "liftune", *arguments]
    done = subprocess.run(argv, preexec_fn=restrict, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return done.returncode, done.stderr.decode("utf-8", "replace")


def answers(out: Path) -> Any:
    """(N, C) of what was written."""
    if out.is_dir():
        with np.load(out / "logits" / "tuned.npz") as file:
            return np.concatenate([file[name] for name in sorted(file.files)])
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return np.array([list(row["probabilities"].values()) for row in rows])


def main(place: Path, command: str, levels: tuple[int, ...], options: list[str]) -> None:
    base = after_importing()
    name = "run" if command == "tune" else "answers.jsonl"
    unlimited = place / f"unlimited-{name}"
    code, said = run([command, *options, "--out", str(unlimited)], None)
    assert code == 0, said
    expected = answers(unlimited)
    print(json.dumps({"after importing, MiB": base / MIB}), flush=True)
    for level in levels:
        out = place / f"{level}-{name}"
        codes, said = [], ""
        while len(codes) <= AGAIN and (not codes or codes[-1] not in (0, 2)):
            code, said = run([command, *options, "--out", str(out)], base + level * MIB)
            codes.append(code)
        line: dict[str, Any] = {"MiB": level, "codes": codes, "said": said[-2000:], "traceback": "Traceback" in said}
        line["smaller passes"] = "a pass" in said or "smaller passes" in said
        if codes[-1] == 0:
            line["gap"] = float(np.abs(answers(out) - expected).max())
        line["computed"] = sorted(each.stem for each in (out / "logits").glob("*.npz")) if command == "tune" else []
        print(json.dumps(line), flush=True)
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    cut = sys.argv.index("--")
    asked = tuple(map(int, sys.argv[3:cut])) or LEVELS
    main(Path(sys.argv[1]), sys.argv[2], asked, sys.argv[cut + 1 :])
