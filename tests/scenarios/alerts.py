# SPDX-License-Identifier: Apache-2.0
"""The shipped alerts over what daemons say in /metrics, and what docs/on-call.md says of each."""
import json
import re
import shutil
import subprocess

from support import ROOT

PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=ROOT / "build/tools/usr/bin")
RULES = ROOT / "config/alerts.yaml"
NAMES = re.findall(r"- alert: (\w+)", RULES.read_text())
GROWING = ("_total", "_bucket", "_sum", "_count", "stepd_partition_lag", "stepd_redis_memory_bytes")


def rows():
    """What the page says of each alert, as one text."""
    found = {}
    for line in (ROOT / "docs/on-call.md").read_text().splitlines():
        cells = line.split("|")
        for name in re.findall(r"Stepd\w+", cells[1] if len(cells) > 4 else ""):
            found[name] = line
    return found


class Alert:
    """One of them, while a test breaks what it watches and follows the page."""

    def __init__(self, name, folder):
        assert name in NAMES
        self.name, self.folder, self.row = name, folder, rows()[name]
        self.before, self.starts = {}, []

    def says(self, text):
        """Part of the page's row, for the test to do as written."""
        assert text in self.row, f"docs/on-call.md does not say `{text}` of {self.name}"
        return text

    def read(self, service):
        """All series as they are now."""
        text = service.get("/metrics")[1]
        samples = {name + (labels or ""): float(value) for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\S+)$", text, re.M)}
        samples['up{job="stepd"}'] = 1.0 if samples else 0.0
        return samples

    def watch(self, service):
        """What counts is how it grows from now on."""
        self.before = self.read(service)
        return self

    def note_start(self, service):
        self.starts.append(self.read(service)["stepd_start_time_seconds"])

    def fires(self, service):
        """Whether the rule fires where it goes on for an hour as it went since watch()."""
        now = self.read(service)
        if PROMTOOL is None:
            return FIGURES[self.name](Figures(self.before, now, self.starts))
        series = [{"series": name, "values": self._values(name, value)} for name, value in now.items()]
        firing = f'sum(ALERTS{{alertname="{self.name}",alertstate="firing"}}) > bool 0'
        test = {"rule_files": [str(RULES)], "evaluation_interval": "1m",
                "tests": [{"interval": "1m", "input_series": series,
                           "promql_expr_test": [{"expr": firing, "eval_time": "50m", "exp_samples": [{"value": 1}]}]}]}
        path = self.folder / f"{self.name}.yaml"
        path.write_text(json.dumps(test))
        done = subprocess.run([PROMTOOL, "test", "rules", path], capture_output=True, text=True)
        assert done.returncode == 0 or "exp:" in done.stdout + done.stderr, done.stdout + done.stderr
        return done.returncode == 0

    def _values(self, name, value):
        if name == "stepd_start_time_seconds" and self.starts:
            return " ".join(str(self.starts[i % len(self.starts)]) for i in range(60))
        grew = value - self.before.get(name, 0.0) if self.before and name.split("{")[0].endswith(GROWING) else 0.0
        return f"{value}{grew:+}x60"


class Figures:
    def __init__(self, before, now, starts):
        self.before, self.samples, self.starts = before, now, starts

    def of(self, name, samples=None):
        return [value for series, value in (self.samples if samples is None else samples).items() if series.split("{")[0] == name]

    def now(self, name):
        return sum(self.of(name))

    def grew(self, name):
        return self.now(name) - sum(self.of(name, self.before))

    def slower_than(self, name, seconds):
        """Whether more than one of a hundred took longer."""
        def within(samples):
            bounds = ((re.search(r'le="([^"]*)"', series), value) for series, value in samples.items() if series.startswith(name + "_bucket"))
            return sum(value for bound, value in bounds if bound[1] != "+Inf" and float(bound[1]) == limit)
        bounds = [float(each) for each in re.findall(rf'{name}_bucket\{{[^}}]*le="([\d.e+-]+)"', "\n".join(self.samples))]
        limit = min(each for each in bounds if each >= seconds)
        return self.grew(name + "_count") > 0 and within(self.samples) - within(self.before) < 0.99 * self.grew(name + "_count")


# The same by hand, where there is no promtool.
FIGURES = {
    "StepdDown": lambda it: it.now("up") == 0,
    "StepdNotReady": lambda it: it.of("stepd_ready") == [0],
    "StepdRestarts": lambda it: len(set(it.starts)) > 4,
    "StepdRedisAway": lambda it: it.of("stepd_redis_up") == [0],
    "StepdRedisSlow": lambda it: it.slower_than("stepd_redis_round_trip_seconds", 0.1),
    "StepdRedisFills": lambda it: it.now("stepd_redis_memory_bytes") > 0.8 * it.now("stepd_redis_memory_max_bytes") > 0
    and it.now("stepd_redis_memory_bytes") + 240 * it.grew("stepd_redis_memory_bytes") > it.now("stepd_redis_memory_max_bytes"),
    "StepdRedisFull": lambda it: it.now("stepd_redis_memory_bytes") > 0.95 * it.now("stepd_redis_memory_max_bytes") > 0,
    "StepdProducerRefused": lambda it: it.of("stepd_producer_up") == [0] or it.grew("stepd_producer_refused_total") > 0,
    "StepdTracesDropped": lambda it: it.grew("stepd_trace_spans_dropped_total") > 0,
    "StepdFallsBehind": lambda it: it.now("stepd_partition_lag") > 10000 and it.grew("stepd_partition_lag") > 0,
    "StepdQueueFull": lambda it: it.now("stepd_partitions_crowded") > 0,
    "StepdPartitionStalled": lambda it: it.now("stepd_partitions_stalled") > 0,
    "StepdSchemaRegistryAway": lambda it: it.now("stepd_partitions_awaiting_schema") > 0,
    "StepdMalformedEvents": lambda it: it.grew("stepd_events_malformed_total") > 0,
    "StepdRunsFail": lambda it: it.grew("stepd_runs_failed_total") > 0.05 * it.grew("stepd_runs_started_total") > 0,
    "StepdHandlerCrashes": lambda it: it.grew("stepd_handlers_crashed_total") > 0,
    "StepdThreadsStuck": lambda it: it.now("stepd_threads_stuck") > 0,
    "StepdThreadsBusy": lambda it: it.now("stepd_threads_busy") > 0.95 * it.now("stepd_threads"),
    "StepdRunsLate": lambda it: it.slower_than("stepd_run_lateness_seconds", 10),
    "StepdProgramDown": lambda it: it.of("stepd_program_processes") != [] and it.now("stepd_program_processes") == 0,
    "StepdFunctionPaused": lambda it: it.now("stepd_function_paused") > 0,
    "StepdBreakerOpen": lambda it: it.now("stepd_breaker_open") > 0,
}
