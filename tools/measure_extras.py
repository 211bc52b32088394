"""Install every extra from the wheel, each into a clean environment, and run one command there: its size and time.

In: pyproject.toml.  Out: a table for docs/dependencies.md on standard output; exit code 1 where a command failed.
Run it as `python tools/measure_extras.py [EXTRA ...]`. It downloads several gigabytes where pip has no cache of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OF_TRACKERS = ("mlflow", "tensorboard", "trackio")
#: Extra -> what is run in a folder with the files of liftune 0.1 and rows.csv. `liftune` and `python` are the
#: environment's. One of each: what the extra is for, on files that are there.
COMMANDS = {
    "": "liftune inspect rows.csv",
    "tune": "liftune tune rows.csv --model base --epochs 1 --out tuned",
    "sheets": "liftune inspect rows.xlsx",
    "report": "liftune report run --format html",
    "runtime": "liftune predict bundle words",
    "export": "liftune export run --format onnx --rows rows.csv --to exported",
    "serve": "python -c 'import liftune.server.app'",
    "frames": "python -c 'import pandas, liftune; print(liftune.inspect(pandas.read_csv(\"rows.csv\")))'",
    "remote": "python -c 'import liftune.data.readers.remote, s3fs, gcsfs, aiohttp'",
    "search": "python -c 'import optuna, liftune'",
    "scale": "python -c 'import ray, liftune'",
    "quant": "python -c 'import bitsandbytes, liftune'",
    "mlflow": "python -c 'import mlflow, liftune'",
    "tensorboard": "python -c 'import tensorboard, liftune'",
    "trackio": "python -c 'import trackio, liftune'",
    "demo": "liftune tune rows.csv --epochs 1 --out tuned",
}


def main() -> int:
    """Measure all of them, or those that are named."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    lacking = set(extras) - set(COMMANDS) - {"dev", "bench", "docs"}
    if lacking:
        print(f"no command for: {', '.join(sorted(lacking))}", file=sys.stderr)
        return 1
    asked = sys.argv[1:] or list(COMMANDS)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder))
        print("| installed | packages | size | time | then |\n|---|---|---|---|---|")
        for extra in asked:
            failed += not _measure(extra, wheel, Path(folder) / "environment")
    return 1 if failed else 0


def _wheel(folder: Path) -> Path:
    source = folder / "source"
    shutil.copytree(ROOT / "src", source / "src")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def _measure(extra: str, wheel: Path, place: Path) -> bool:
    """Install, run, print a line; whether the command ended well."""
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    python = place / "bin" / "python"
    before = _bytes(place)
    constraints = ROOT / ("constraints-trackers.txt" if extra in _OF_TRACKERS else "constraints.txt")
    wanted = f"liftune[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    started = time.monotonic()
    installed = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), wanted], check=False
    )
    seconds = time.monotonic() - started
    if installed.returncode:
        print(f"| `[{extra}]` | - | - | - | **cannot be installed** |", flush=True)
        return False
    listed = subprocess.run([str(python), "-m", "pip", "list", "--format=freeze"], capture_output=True, check=True)
    packages = [each for each in listed.stdout.decode().splitlines() if not each.startswith(("pip=", "setuptools="))]
    code = _run(COMMANDS[extra], place)
    said = f"`{COMMANDS[extra]}`" + ("" if code == 0 else f": **exit {code}**")
    name = f"`liftune[{extra}]`" if extra else "`liftune`"
    size = (_bytes(place) - before) / 1e6
    print(f"| {name} | {len(packages)} | {size:,.0f} MB | {seconds:.0f} s | {said} |", flush=True)
    return code == 0


def _run(command: str, place: Path) -> int:
    """Run it with the environment's programs, far from this repository."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from v0_1 import lay_out
    from workbooks import write_xlsx

    with tempfile.TemporaryDirectory() as folder:
        files = lay_out(Path(folder))
        rows = [["text", "label"], *[[f"{word} number {i}", word] for i in range(30) for word in ("joy", "anger")]]
        (files / "rows.csv").write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
        write_xlsx(files / "rows.xlsx", {"rows": rows})
        path = f"{place / 'bin'}:/usr/bin:/bin"
        done = subprocess.run(
            ["sh", "-c", command], cwd=files, env={"PATH": path, "HOME": folder}, capture_output=True, check=False
        )
    if done.returncode:
        print(done.stdout.decode()[-2_000:], done.stderr.decode()[-2_000:], file=sys.stderr)
    return done.returncode


def _bytes(place: Path) -> int:
    return sum(each.stat().st_size for each in place.rglob("*") if each.is_file() and not each.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
