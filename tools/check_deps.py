"""`make check-deps`: known vulnerabilities of the installed dependencies, and their licences.

In: the installed packages.  Out: a table of licences; what pip-audit finds; exit code 1 for a vulnerability or a
licence that must be looked at, 3 where vulnerabilities could not be looked up: no network, or no pip-audit.
Not here: which dependencies there are, and why (docs/dependencies.md).
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

#: Licences that ask nothing of who uses a package but to name its authors, or to publish changes of the package itself.
FINE = re.compile(
    r"\b(MIT|MIT-0|BSD|0BSD|Apache|Apache-2\.0|ISC|PSF|PSF-2\.0|Python-2\.0|MPL|MPL-2\.0|Unlicense|Zlib|CNRI|HPND|CC0"
    r"|Mozilla Public|Python Software Foundation|Matplotlib|public domain|BSL-1\.0)",
    re.IGNORECASE,
)
OFFLINE = 3


def closure(root: str) -> Iterator[Distribution]:
    """The installed packages that one needs, with all its extras, in order of name."""
    wanted, found = [root], dict[str, Distribution]()
    while wanted:
        name = wanted.pop()
        try:
            each = distribution(name)
        except PackageNotFoundError:  # of an extra or a system that is not this one's
            continue
        key = re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()
        if key not in found:
            found[key] = each
            wanted += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in each.requires or ()]
    return iter(found[key] for key in sorted(found))


def licence(package: Distribution) -> str:
    """What a package says of its licence, on one line."""
    given: Any = package.metadata  # its stub knows no `get`
    classified = [each.rpartition(" :: ")[2] for each in given.get_all("Classifier") or () if "License ::" in each]
    text = given.get("License-Expression") or " / ".join(classified) or given.get("License") or "not said"
    return next((line.strip() for line in text.splitlines() if line.strip()), "not said")[:70]


def print_licences() -> bool:
    """The table; whether every licence is one of the fine ones."""
    packages = list(closure("liftune"))
    rows = [(each.metadata["Name"], each.version, licence(each)) for each in packages]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    odd = [row for row in rows if not FINE.search(row[2])]
    for row in rows:
        print(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}{'   <- look at it' if row in odd else ''}")
    print(f"{len(rows)} packages; {len(odd)} with a licence to be looked at")
    return not odd


def audit() -> int:
    """What pip-audit finds in this environment: 0 for nothing, 1 for something, OFFLINE where it could not look."""
    if importlib.util.find_spec("pip_audit") is None:
        print("vulnerabilities were not looked up: pip-audit is not installed; pip install pip-audit")
        return OFFLINE
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip_audit",
            "--local",
            "--skip-editable",
            "--progress-spinner",
            "off",
            "--timeout",
            "10",
            "--format",
            "json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and re.search(r"ConnectionError|ServiceError|Max retries|resolve|timed out", done.stderr):
        print("vulnerabilities were not looked up: no network, or the service cannot be reached; try again with one")
        return OFFLINE
    try:
        said, code = found_in(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):  # it ended before it found anything out
        said, code = (done.stdout + done.stderr).strip(), 1
    print(said)
    return code


def found_in(told: dict[str, Any]) -> tuple[str, int]:
    """What pip-audit's JSON says, in words, and the exit code: a package that was not looked up is not fine."""
    packages = told["dependencies"]
    skipped = [each for each in packages if "skip_reason" in each]
    bad = [(each, fault) for each in packages for fault in each.get("vulns", ())]
    lines = [
        f"{each['name']} {each['version']}: {fault['id']}; fixed in {', '.join(fault['fix_versions']) or 'no version'}"
        for each, fault in bad
    ]
    if skipped:
        shown = "; ".join(f"{each['name']} ({each['skip_reason']})" for each in skipped[:3])
        more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        lines.append(f"{len(skipped)} of {len(packages)} packages were not looked up: {shown}{more}")
    if not bad and len(packages) > len(skipped):
        lines.append(f"no known vulnerabilities in {len(packages) - len(skipped)} packages")
    return "\n".join(lines), 1 if bad else OFFLINE if skipped else 0


def main() -> int:
    """Both."""
    fine, found = print_licences(), audit()
    return found or (0 if fine else 1)


if __name__ == "__main__":
    sys.exit(main())
