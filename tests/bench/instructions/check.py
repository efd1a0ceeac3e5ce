#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of the pure parts under callgrind, and compares them with the kept baseline.

    check.py PROGRAM COMPILER [--keep]     --keep writes a new baseline: with the change that is worth it

A part that needs over 3 % more instructions than it did fails; one that needs over 3 % less says that a new
baseline is due. Counts are only alike with the same compiler and libraries: with others it says so, prints what
it counted, and passes.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE = 0.03
LIBRARIES = ["libc6", "libyajl2", "libmsgpackc2", "libroaring0", "libxxhash0"]
# What glibc does with memory depends on the processor: here it is to be the same on all.
PLAIN_CPU = "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-BMI2,-SSE4_2,-SSSE3"


def output(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


def environment(compiler):
    versions = {name: output("dpkg-query", "-W", "-f", "${Version}", name) for name in LIBRARIES}
    return {"compiler": output(compiler, "--version").splitlines()[0], "valgrind": output("valgrind", "--version"),
            "machine": os.uname().machine, **versions}


def instructions(program, name, folder):
    out = folder / name
    done = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={out}",
                           program, name], capture_output=True, text=True, env={**os.environ, "GLIBC_TUNABLES": PLAIN_CPU})
    if done.returncode != 0:
        sys.exit(f"{name}: exit {done.returncode}\n{done.stderr}")
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])


def count(program):
    with tempfile.TemporaryDirectory() as folder:
        listed = [line.split() for line in output(program).splitlines()]
        return {name: round(instructions(program, name, Path(folder)) / int(turns), 1) for name, turns in listed}


def compare(counted, kept):
    is_slower = False
    print(f"{'instructions each':24} {'kept':>12} {'now':>12}")
    for name, now in counted.items():
        before = kept.get(name)
        change = now / before - 1 if before else 0
        note = "" if before else "not in the baseline"
        if change > TOLERANCE:
            note, is_slower = f"{change:+.1%}: slower", True
        elif change < -TOLERANCE:
            note = f"{change:+.1%}: keep a new baseline"
        print(f"{name:24} {before or '-':>12} {now:>12} {note}")
    return not is_slower


def main():
    program, compiler = sys.argv[1:3]
    here = environment(compiler)
    counted = count(program)
    if "--keep" in sys.argv:
        BASELINE.write_text(json.dumps({"environment": here, "instructions": counted}, indent=2) + "\n")
    kept = json.loads(BASELINE.read_text())
    other = [f"{name} is {here[name]}, was {kept['environment'].get(name)}" for name in here if here[name] != kept["environment"].get(name)]
    is_as_fast = compare(counted, kept["instructions"])
    if other:
        print("NOT COMPARED, the baseline is of another environment: " + "; ".join(other))
        return 0
    return 0 if is_as_fast else 1


if __name__ == "__main__":
    sys.exit(main())
