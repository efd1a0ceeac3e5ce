#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the JUnit reports in a folder come to: what was skipped, what passed only alone (tests/again.py), what failed, "N passed, N failed". Exit 1:
something failed, or nothing passed. An empty report is of something that failed before it could write one.

CI=true: what is skipped has failed, but for tests that boot a Debian of their own with systemd, or run a root as a container does: a container may not be
allowed to make another. These say "no machine here: …". And for the one program that wants a newer Go than Debian's, and the version before
this one, which is built on Debian 12 alone."""
import collections
import os
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

SKIPS_FAIL = os.environ.get("CI") == "true"
NO_MACHINE = "no machine here: "
NEWER_GO = "wants a newer Go than distributions have"
OLDER_DEBIAN = "the version before is built on Debian 12 alone"


def is_excused(case, why):
    suite = case.get("classname", "")
    return any((suite.endswith(("test_systemd", "test_container")) and why.startswith(NO_MACHINE),
                suite.endswith("test_inngest") and NEWER_GO in why, suite.endswith("test_mixed_fleet") and why.startswith(OLDER_DEBIAN)))


def result_of(case):
    """How a test ended, and why."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed", ""
    skip = case.find("skipped")
    if skip is None:
        return "passed", "failed beside other tests, passed alone" if case.get("unsteady") else ""
    why = skip.get("message") or "no reason given"
    return "failed" if SKIPS_FAIL and not is_excused(case, why) else "skipped", why


def results_of(report):
    """(test, how it ended, why) of each."""
    try:
        cases = list(tree.parse(report).iter("testcase"))
    except tree.ParseError:
        return [(report.stem, "failed", "it ended without a report")]
    return [(f"{report.stem}: {case.get('name')}", *result_of(case)) for case in cases]


def main():
    tests = collections.defaultdict(list)
    for report in sorted(Path(sys.argv[1]).glob("*.xml")):
        for name, end, why in results_of(report):
            tests[end].append(f"{name} ({why})" if why else name)
            if end == "passed" and why:
                tests["unsteady"].append(tests[end][-1])
    for end in ("skipped", "unsteady", "failed"):
        for test in tests[end]:
            print(f"{end}: {test}")
    print(f"{len(tests['passed'])} passed, {len(tests['failed'])} failed")
    sys.exit(1 if tests["failed"] or not tests["passed"] else 0)


if __name__ == "__main__":
    main()
