# SPDX-License-Identifier: Apache-2.0
"""Functions that are started by the clock: one run a tick, however many daemons there are; ticks that were missed."""
import json
import time

import pytest

from support import BUILD, eventually

EXEC = BUILD / "modules/exec.so"
MINUTE_MS = 60_000


def function(**settings):
    return {"use": "exec", "command": ["/bin/cat"], "cron": ["* * * * *"], **settings}


@pytest.fixture
def serve(daemon, topic):
    def make(**functions):
        return daemon([EXEC], topics=[topic], history="all", functions=functions)
    return make


def missed_at(redis, function_id, minutes):
    """As if the last tick that was recorded had been that many minutes ago."""
    last_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS
    redis.cli("hset", "stepd{0}:ticks", function_id, last_ms)
    return last_ms


def ticks(service, function_id):
    """[scheduled_ms] of its runs that have completed, oldest first."""
    runs = service.runs(function=function_id, status="completed")
    return sorted(json.loads(run["output"])["data"]["scheduled_ms"] if isinstance(run["output"], str)
                  else run["output"]["data"]["scheduled_ms"] for run in map(lambda each: service.show(each["id"]), runs))


def test_a_tick_is_one_run_of_all_daemons(serve, redis, topic):
    while time.time() % 60 > 20:
        time.sleep(1)  # both stand before the next one
    first, second = serve(clock=function()), serve(clock=function())
    last_ms = missed_at(redis, "clock", 0)
    eventually(lambda: ticks(first, "clock"), 75)
    time.sleep(3)
    assert ticks(first, "clock") == [last_ms + MINUTE_MS]
    assert second.runs(function="clock") == first.runs(function="clock")
    shown = first.show(first.runs(function="clock")[0]["id"])
    event = shown["output"]
    assert (event["name"], event["topic"], event["partition"], event["offset"]) == ("stepd/cron", topic, -1, -1)
    assert event["data"] == {"cron": "* * * * *", "scheduled_ms": last_ms + MINUTE_MS}


@pytest.mark.parametrize("catch_up, which", [(None, [3]), ("last", [3]), ("all", [1, 2, 3]), ("none", [])])
def test_ticks_that_were_missed(serve, redis, catch_up, which):
    while time.time() % 60 > 40:
        time.sleep(1)  # none that is on time comes between
    last_ms = missed_at(redis, "clock", 3)
    service = serve(clock=function(**({"catch_up": catch_up} if catch_up else {})))
    wanted = [last_ms + each * MINUTE_MS for each in which]
    eventually(lambda: ticks(service, "clock") == wanted, 15, what=lambda: ticks(service, "clock"))
    time.sleep(4)
    assert ticks(service, "clock") == wanted
    assert int(redis.cli("hget", "stepd{0}:ticks", "clock")) == last_ms + 3 * MINUTE_MS


@pytest.mark.parametrize("what", [["clock"], ["--all"]])
def test_ticks_of_a_paused_function_are_missed(serve, redis, what):
    while time.time() % 60 > 30:
        time.sleep(1)
    service = serve(clock=function())
    service.ctl("pause", *what)
    service.kill()
    last_ms = missed_at(redis, "clock", 3)
    service.start()
    time.sleep(5)
    assert not service.runs(function="clock")
    service.ctl("resume", *what)
    eventually(lambda: ticks(service, "clock") == [last_ms + 3 * MINUTE_MS], 15, what=lambda: ticks(service, "clock"))


def test_a_new_function_has_missed_nothing(serve):
    while time.time() % 60 > 45:
        time.sleep(1)
    service = serve(clock=function(catch_up="all"))
    time.sleep(4)
    assert not ticks(service, "clock")


def test_the_next_tick_is_shown(serve):
    service = serve(clock=function(cron=["TZ=Europe/Berlin 0 9 * * 1-5", "@daily"]))
    shown = service.ctl("functions")[0]
    assert shown["cron"] == ["TZ=Europe/Berlin 0 9 * * 1-5", "@daily"] and shown["catch_up"] == "last"
    assert 0 < shown["next_tick_ms"] - time.time() * 1000 < 86_400_000
    assert "next tick 2" in service.ctl_run("functions").stdout


def test_ticks_wait_for_places_and_are_dropped_by_nothing(serve, redis):
    """Three that were missed, of a function that runs one at a time, and would start one run an hour."""
    while time.time() % 60 > 30:
        time.sleep(1)
    limits = {"concurrency_limits": [{"limit": 1, "scope": "desk"}], "rate_limit": {"limit": 1, "period": "1h"},
              "singleton": {"mode": "skip"}, "debounce": {"period": "1h"}, "start_timeout": "1m"}
    last_ms = missed_at(redis, "clock", 3)
    service = serve(clock=function(catch_up="all", command=["/bin/sh", "-c", "sleep 1; cat"], **limits))
    eventually(lambda: service.ctl("stats")["queued"] > 0)
    eventually(lambda: ticks(service, "clock") == [last_ms + each * MINUTE_MS for each in (1, 2, 3)], 20)
    runs = [service.show(run["id"]) for run in service.runs(function="clock")]
    spans = sorted((each["started_ms"], each["started_ms"] + each["duration_ms"]) for run in runs for each in run["attempts"])
    assert all(later[0] >= earlier[1] - 50 for earlier, later in zip(spans, spans[1:])), spans
