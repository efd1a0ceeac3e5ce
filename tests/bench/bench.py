#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks how fast stepd is, beside its peers and the floor: rounds are interleaved, so that whatever else the
machine does meets all alike. Writes build/bench/QUESTION.json and .svg, prints a table."""
import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import contenders
import questions
from draw import draw

OUT = contenders.ROOT / "build/bench"


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) >> 20 for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": memory, "kernel": platform.release(),
            "load_before": round(os.getloadavg()[0], 2), "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}


def beside(question, commit):
    """With stepd of another commit as a contender more, each time right behind stepd of this tree."""
    def at(measure):
        def measure_there(bench):
            here, bench.program = bench.program, contenders.build_of(commit)
            try:
                return measure(bench)
            finally:
                bench.program = here
        return measure_there
    every = {}
    for name, measure in question.contenders.items():
        every[name] = measure
        if name.startswith("stepd"):
            every[f"{name} at {commit}"] = at(measure)
    question.contenders = every


def ask(question, bench, rounds):
    """Every contender once a round. One that can't be had is named with the reason, and left out."""
    taken, missing = {}, {}
    for number in range(rounds):
        for name, measure in question.contenders.items():
            if name in missing:
                continue
            try:
                result = measure(bench)
            except contenders.CantBeHad as why:
                missing[name] = str(why)
                print(f"  {name}: left out: {why}", file=sys.stderr, flush=True)
                continue
            taken.setdefault(name, []).append(result)
            print(f"  round {number + 1} {name}: {json.dumps(result)}", file=sys.stderr, flush=True)
    return taken, missing


def summary(question, taken):
    """A row a contender and figure: median, min, max, ratio to stepd's median."""
    rows = []
    for figure, unit in question.figures.items():
        own = [result[figure] for result in taken.get("stepd", []) if figure in result]
        for name, results in taken.items():
            values = [result[figure] for result in results if figure in result]
            if values:
                median = statistics.median(values)
                ratio = median / statistics.median(own) if own and statistics.median(own) else None
                rows.append({"contender": name, "figure": figure, "unit": unit, "median": median, "min": min(values),
                             "max": max(values), "ratio": ratio})
    return rows


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(rows):
    lines = ["| figure | contender | median | min | max | ÷ stepd |", "|---|---|---:|---:|---:|---:|"]
    for row in rows:
        ratio = f"{row['ratio']:.3g}" if row["ratio"] is not None else "–"
        lines.append(f"| {row['unit']} | {row['contender']} | {number(row['median'])} | {number(row['min'])} | {number(row['max'])} | {ratio} |")
    return "\n".join(lines)


def verdicts(question, taken):
    """A line a contender, where the question has a target."""
    return "".join(f"\n- {name}: {question.verdict(results)}" for name, results in taken.items()) if question.verdict else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="questions:\n" + "\n".join(f"  {name:12} {each.text}" for name, each in questions.ALL.items()))
    parser.add_argument("question", nargs="*", metavar="QUESTION")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=1000000, help="in the topic that throughput is measured on")
    parser.add_argument("--jobs", type=int, default=20000, help="for peers that count thousands a second")
    parser.add_argument("--waiting", type=int, default=100000, help="runs that wait while others are due")
    parser.add_argument("--seconds", type=int, default=5, help="of a steady load")
    parser.add_argument("--against", metavar="COMMIT", help="stepd as that commit has it beside this tree's, in each round")
    parser.add_argument("--only", action="append", default=[], metavar="CONTENDER", help="measure these alone")
    options = parser.parse_args()
    asked = options.question or list(questions.ALL)
    unknown = [name for name in asked if name not in questions.ALL]
    if unknown:
        parser.error(f"no such question: {', '.join(unknown)}")
    OUT.mkdir(parents=True, exist_ok=True)
    parts = []
    with tempfile.TemporaryDirectory(prefix="stepd-bench-") as folder, contenders.Bench(Path(folder), options) as bench:
        for name in asked:
            question = questions.ALL[name]
            if options.only:
                question.contenders = {key: value for key, value in question.contenders.items() if key in options.only}
            if options.against:
                beside(question, options.against)
            here = machine()
            print(f"{name}: {question.text}", file=sys.stderr, flush=True)
            taken, missing = ask(question, bench, options.rounds)
            rows = summary(question, taken)
            kept = {"question": name, "text": question.text, "machine": here, "options": vars(options), "rounds": taken,
                    "left_out": missing, "summary": rows}
            (OUT / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
            (OUT / f"{name}.svg").write_text(draw(question.text, rows))
            parts.append(f"### {name}: {question.text}\n\n{table(rows)}\n{verdicts(question, taken)}\n".rstrip() + "\n")
            print("\n" + parts[-1], flush=True)
    (OUT / "table.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
