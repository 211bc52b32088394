"""`make check-deps` says of every package whether it was looked up."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("check_deps", Path(__file__).parents[2] / "tools" / "check_deps.py")
assert SPEC is not None
assert SPEC.loader is not None
CHECK = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(CHECK)

FINE = {"name": "a", "version": "1", "vulns": []}
GONE = {"name": "b", "skip_reason": "not on the index"}
BAD = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}


def test_a_package_that_was_not_looked_up_is_not_fine() -> None:
    """pip-audit says "No known vulnerabilities found" of packages of which it has looked up none."""
    assert CHECK.found_in({"dependencies": [FINE]}) == ("no known vulnerabilities in 1 packages", 0)
    assert CHECK.found_in({"dependencies": [GONE]}) == ("1 of 1 packages were not looked up: b (not on the index)", 3)
    assert CHECK.found_in({"dependencies": [FINE, GONE]})[1] == 3


def test_a_vulnerability_comes_before_all() -> None:
    said, code = CHECK.found_in({"dependencies": [FINE, GONE, BAD]})
    assert (said.splitlines()[0], code) == ("c 2: CVE-1; fixed in 3", 1)
