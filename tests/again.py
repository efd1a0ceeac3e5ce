#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs once more, each alone, the scenarios that failed while others ran beside them: `again.py REPORTS PRESET FILE...`. Each FILE had a pytest of its
own, with the JUnit report REPORTS/pytest-PRESET-NAME.xml. A test that passes alone is noted there as unsteady. tests/tally.py names it, so that
somebody looks at it, and does not count it as failed. Where more than MOST have failed that is no accident: none is run again."""
import subprocess
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

MOST = 10


def failed_cases(report):
    """The document, and its tests that failed; of a report that is none: nothing to try again."""
    try:
        document = tree.parse(report)
    except (tree.ParseError, FileNotFoundError):
        return None, []
    return document, [case for case in document.iter("testcase") if case.find("failure") is not None or case.find("error") is not None]


def passes_alone(file, case):
    name = f"{file}::{case.get('name')}"
    print(f"Once more, alone: {name}", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider", name]).returncode == 0


def main():
    reports, preset, *files = sys.argv[1:]
    found = []
    for file in files:
        report = Path(reports, f"pytest-{preset}-{Path(file).stem}.xml")
        document, cases = failed_cases(report)
        found += [(file, report, document, case) for case in cases]
    if len(found) > MOST:
        return
    for file, report, document, case in found:
        if passes_alone(file, case):
            for child in [child for child in case if child.tag in ("failure", "error")]:
                case.remove(child)
            case.set("unsteady", "true")
            document.write(report)


if __name__ == "__main__":
    main()
