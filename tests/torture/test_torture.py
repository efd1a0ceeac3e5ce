# SPDX-License-Identifier: Apache-2.0
"""A short torture, always the same; scripts/torture does long ones."""
import os
import random

import pytest

import faults
import ledger
import torture
import needs  # beside support, which torture has made known

MINUTES = os.environ.get("STEPD_TORTURE_MINUTES", "0.5")


def test_the_same_seed_is_the_same_plan():
    first, again, other = (faults.plan(random.Random(seed), 600) for seed in (7, 7, 8))
    assert first == again != other
    assert {fault.kind.name for fault in first} == {kind.name for kind in faults.KINDS}
    assert len(first) > 600


def line(what, function="plain", number=1, ms=0, pid=1, run="r", step="-", value=0, partition=0, offset=0):
    return f"{ms} {pid} {what} {function} {number} {partition} {offset} {run} 0 {step} {value}\n"


def book_of(folder, *lines):
    (folder / "book").write_text("".join(lines))
    return folder / "book"


def test_the_ledger_sees_what_is_lost(tmp_path):
    book = book_of(tmp_path, line("done", number=1), line("done", "left", 2))
    counted = ledger.Ledger({1: "plain", 2: "both", 3: "doomed"}, book, [])
    assert counted.lost() == [(2, "right"), (3, "doomed")]


def test_the_ledger_sees_a_result_that_was_recorded_twice(tmp_path):
    lines = [line("saw", "steps", ms=10000, step="one", value=5), line("saw", "steps", ms=20000, step="one", value=6)]
    book = book_of(tmp_path, *lines)
    assert len(ledger.Ledger({}, book, []).twice) == 1
    after_a_death = ledger.Ledger({}, book, [], redis_deaths=[(11000, 12000)])
    assert (after_a_death.twice, after_a_death.undone) == ([], 1)


@pytest.mark.parametrize("name, excuses", [("stepd{0}:busy:torture:3", True), ("stepd{0}:behind:torture:3:ordered:key-7", True),
                                           ("stepd{0}:behind:torture:3:ordered:key-8", False), ("stepd{0}:busy:torture:4", False),
                                           ("stepd{0}:delayed", False)])
def test_the_ledger_sees_a_keys_runs_out_of_order(tmp_path, name, excuses):
    lines = [line("done", "ordered", 7, ms=10, partition=3, offset=5),
             line("done", "ordered", 7 + ledger.KEYS, ms=20, partition=3, offset=4)]
    counted = ledger.Ledger({}, book_of(tmp_path, *lines), [], lost_keys=[(15, name)])
    assert (len(counted.out_of_order), counted.overtaken) == ((0, 1) if excuses else (1, 0))
    too_late = ledger.Ledger({}, book_of(tmp_path, *lines), [], lost_keys=[(25, name)])
    assert len(too_late.out_of_order) == 1


def test_a_takeover_lasts_until_partitions_and_runs_have_gone_on(tmp_path):
    lines = [line("done", ms=100, pid=1, partition=2), line("failed", "flaky", 2, ms=110, pid=1, run="s", partition=2),
             line("done", "flaky", 2, ms=500, pid=2, run="s", partition=2), line("done", number=3, ms=6000, pid=2, run="t", partition=2)]
    book = book_of(tmp_path, *lines)
    assert ledger.takeover_ms(ledger.read(book), 1, 200) == (5800, 0)
    book = book_of(tmp_path, *lines[:3])
    assert ledger.takeover_ms(ledger.read(book), 1, 200) == (300, 1)


def test_a_short_torture_loses_nothing(tmp_path, capsys):
    options = torture.parse(["--minutes", MINUTES, "--seed", "1", "--kills", "1", "--folder", str(tmp_path)])
    try:
        result = torture.torture(options, tmp_path)
    except torture.support.KafkaCantBeHad as why:
        needs.skip(str(why))
    with capsys.disabled():
        torture.print_table(result)
    assert torture.is_good(result), result
