# SPDX-License-Identifier: Apache-2.0
"""What /metrics tells, and that the shipped dashboard and alerts ask for nothing else."""
import json
import re
import shutil
import subprocess
import urllib.request

import pytest

from support import ROOT, SLOWER, eventually

PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=ROOT / "build/tools/usr/bin")
EVENTS = {"measured/steady": 3, "measured/flaky": 2, "measured/doomed": 1, "measured/stuck": 1}

# Series of an hour, a value a minute: what is well, what is not.
SERIES = {
    'up{job="stepd",instance="a"}': ("1x60", "0x60"),
    'stepd_ready{instance="a"}': ("1x60", "0x60"),
    'stepd_start_time_seconds{instance="a"}': ("1000x60", "1000+60x60"),
    'stepd_redis_up{instance="a"}': ("1x60", "0x60"),
    'stepd_redis_round_trip_seconds_bucket{instance="a",le="0.065536"}': ("0+10x60", "0x60"),
    'stepd_redis_round_trip_seconds_bucket{instance="a",le="0.524288"}': ("0+10x60", "0+10x60"),
    'stepd_redis_round_trip_seconds_bucket{instance="a",le="+Inf"}': ("0+10x60", "0+10x60"),
    'stepd_redis_memory_bytes{instance="a"}': ("5000x60", "9000+10x60"),
    'stepd_redis_memory_max_bytes{instance="a"}': ("10000x60", "9400x60"),
    'stepd_producer_up{instance="a"}': ("1x60", "0x60"),
    'stepd_producer_refused_total{instance="a"}': ("3x60", "0+1x60"),
    'stepd_trace_spans_dropped_total{instance="a"}': ("0x60", "0+10x60"),
    'stepd_partition_lag{instance="a",topic="events",partition="0"}': ("100x60", "20000+1000x60"),
    'stepd_partitions_stalled{instance="a"}': ("0x60", "1x60"),
    'stepd_partitions_crowded{instance="a"}': ("0x60", "1x60"),
    'stepd_partitions_awaiting_schema{instance="a"}': ("0x60", "1x60"),
    'stepd_events_malformed_total{instance="a"}': ("3x60", "0+1x60"),
    'stepd_runs_failed_total{instance="a",function="f"}': ("0+1x60", "0+10x60"),
    'stepd_runs_started_total{instance="a",function="f"}': ("0+100x60", "0+100x60"),
    'stepd_handlers_crashed_total{instance="a",function="f"}': ("1x60", "0+1x60"),
    'stepd_threads_stuck{instance="a"}': ("0x60", "1x60"),
    'stepd_function_paused{instance="a",function="f"}': ("0x60", "1x60"),
    'stepd_breaker_open{instance="a",function="f"}': ("0x60", "1x60"),
    'stepd_program_processes{instance="a",program="p"}': ("1x60", "0x60"),
    'stepd_threads_busy{instance="a"}': ("8x60", "32x60"),
    'stepd_threads{instance="a"}': ("32x60", "32x60"),
    'stepd_run_lateness_seconds_bucket{instance="a",le="8.388608"}': ("0+10x60", "0x60"),
    'stepd_run_lateness_seconds_bucket{instance="a",le="67.108864"}': ("0+10x60", "0+10x60"),
    'stepd_run_lateness_seconds_bucket{instance="a",le="+Inf"}': ("0+10x60", "0+10x60"),
}


class Page:
    """One reading of /metrics: its text, and samples as {name: {labels: value}}."""

    def __init__(self, service):
        self.text = urllib.request.urlopen(f"http://{service.at['http']}/metrics", timeout=10 * SLOWER).read().decode()
        self.samples = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", self.text, re.M):
            self.samples.setdefault(name, {})[labels] = float(value)

    def of(self, name, function):
        return self.samples[name][f'function="{function}"']

    def total(self, name):
        return sum(self.samples[name].values())


@pytest.fixture
def service(dev, module):
    service = dev([module("measured")])
    for name, count in EVENTS.items():
        for _ in range(count):
            service.ctl("send", name)
    service.kafka.produce_lines(['\t{"name": broken'], "events")
    return service


def wait_for_end(service):
    """Of the runs, and of what is a dead letter: two of them, and what is no event."""
    def read():
        page = Page(service)
        ended = page.total("stepd_runs_completed_total") + page.total("stepd_runs_failed_total")
        return page if ended == sum(EVENTS.values()) and page.total("stepd_dead_letters_total") == 3 else None
    return eventually(read, 60, what=lambda: f"{service.ctl('runs')}\n{service.log()[-2000:]}")


def names_in(text):
    return set(re.findall(r"\bstepd_\w+", text))


def test_every_number_is_told_by_function_and_the_shipped_files_ask_for_nothing_else(service):
    page = wait_for_end(service)
    for name, wanted in {
        "stepd_function_events_consumed_total": {"steady": 3, "flaky": 2, "doomed": 1, "stuck": 1},
        "stepd_runs_started_total": {"steady": 3, "flaky": 2, "doomed": 1, "stuck": 1},
        "stepd_runs_completed_total": {"steady": 3, "flaky": 2, "doomed": 0, "stuck": 0},
        "stepd_runs_failed_total": {"steady": 0, "flaky": 0, "doomed": 1, "stuck": 1},
        "stepd_retries_scheduled_total": {"steady": 0, "flaky": 2, "doomed": 0, "stuck": 0},
        "stepd_dead_letters_total": {"steady": 0, "flaky": 0, "doomed": 1, "stuck": 1},
        "stepd_handlers_timed_out_total": {"steady": 0, "flaky": 0, "doomed": 0, "stuck": 1},
        "stepd_step_duration_seconds_count": {"steady": 6, "flaky": 0, "doomed": 0, "stuck": 0},
    }.items():
        assert {function: page.of(name, function) for function in wanted} == wanted, name
    assert page.of("stepd_attempt_duration_seconds_count", "flaky") == 4
    assert 0.6 <= page.of("stepd_step_duration_seconds_sum", "steady") < 20 * SLOWER
    assert 0.3 <= page.of("stepd_attempt_duration_seconds_sum", "stuck") < 10 * SLOWER, "until it was given up, and not until it came back"
    assert page.total("stepd_events_consumed_total") >= sum(EVENTS.values())
    assert page.total("stepd_run_lateness_seconds_count") >= 5, "three naps and two retries were claimed"
    assert page.total("stepd_redis_batch_commands_sum") >= page.total("stepd_redis_batch_commands_count") > 0
    assert page.total("stepd_redis_round_trip_seconds_count") > 0
    assert page.samples["stepd_ready"][""] == 1
    assert page.samples["stepd_dead_letters_total"][""] == page.samples["stepd_events_malformed_total"][""] == 1
    eventually(lambda: set(Page(service).samples.get("stepd_partition_lag", {}).values()) == {0}, 20)
    eventually(lambda: Page(service).samples["stepd_runs_dead"][""] == 2, 20)

    page = Page(service)
    known = set(page.samples) | {"stepd_program_processes", "stepd_breaker_open"}  # of what is not here: test_programs.py, test_breaker.py see them
    for name in ("config/grafana.json", "config/alerts.yaml"):
        assert names_in((ROOT / name).read_text()) <= known, name
    boards = json.loads((ROOT / "config/grafana.json").read_text())
    asked = {label for panel in boards["panels"] for target in panel.get("targets", ())
             for label in re.findall(r"by \(([^)]*)\)|\{\{(\w+)\}\}", target["expr"] + target["legendFormat"])}
    labels = set(re.findall(r'(\w+)="', page.text)) | {"instance"}
    assert {word for pair in asked for word in re.findall(r"\w+", " ".join(pair))} <= labels

    if PROMTOOL is not None:
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=page.text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here (Debian: prometheus)")
def test_the_shipped_alerts_are_sound(tmp_path):
    done = subprocess.run([PROMTOOL, "check", "rules", ROOT / "config/alerts.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    board = json.loads((ROOT / "config/grafana.json").read_text())
    rules = [{"record": f"panel:{panel['id']}:{number}", "expr": re.sub(r"\$__\w+", "5m", target["expr"])}
             for panel in board["panels"] for number, target in enumerate(panel.get("targets", ()))]
    (tmp_path / "board.yaml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", tmp_path / "board.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here (Debian: prometheus)")
@pytest.mark.parametrize("is_sick", [False, True])
def test_alerts_fire_when_something_is_wrong_and_else_none(tmp_path, is_sick):
    names = re.findall(r"- alert: (\w+)", (ROOT / "config/alerts.yaml").read_text())
    firing = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names] if is_sick else []
    (tmp_path / "test.yaml").write_text(json.dumps({
        "rule_files": [str(ROOT / "config/alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": series, "values": values[is_sick]} for series, values in SERIES.items()],
            "promql_expr_test": [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "50m", "exp_samples": firing}],
        }],
    }))
    done = subprocess.run([PROMTOOL, "test", "rules", tmp_path / "test.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
