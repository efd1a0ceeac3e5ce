# SPDX-License-Identifier: Apache-2.0
"""The questions, and who answers each: NAME -> a function that takes the bench and answers with figures."""
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, replace
from statistics import median
from typing import Callable

import calls
import contenders
import formats
import programs
from contenders import EVENT_SIZE, HERE, CantBeHad, Daemon, Redis, compile_c, measured
from recorder import Recorder

STEPS = 10
THROUGHPUT = {"per_second": "a second", "cpu_s_per_million": "CPU s a million"}
DURABLE = {**THROUGHPUT, "redis_us": "CPU µs of Redis each"}
RATE = 1000
SELDOM = 100     # a second: each has the daemon for itself
SDK = {"per_second": "runs a second", "app_cores": "cores that the app's process used", "app_ms": "CPU ms of the app a run",
       "daemon_ms": "CPU ms of the daemon a run", "start_mb": "daemon at the first run, MB", "daemon_mb": "daemon after the last, MB"}
FULL_CORE = 0.9     # what the app's process gets of a core, and more: nothing makes it faster but another app


@dataclass
class Question:
    text: str
    figures: dict       # key in a result -> what it is
    contenders: dict
    verdict: Callable = None    # of a contender's results: a sentence


# ---- throughput -------------------------------------------------------------------------------------------------


def stepd(function, count_of, per_event=1, **settings):
    def measure(bench):
        count = count_of(bench.options)
        topic = bench.topic_of(count)
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, topic, [function], **settings) as daemon:
            seconds = daemon.wait_for(count * per_event)
            redis_us = redis.cpu_s() * 1e6 / (count * per_event)
            return {**contenders.rate({"events": count * per_event, "seconds": seconds}, daemon.stop()), "redis_us": redis_us}
    return measure


def looked_at(function, count_of):
    """While somebody watches the page's overview, and another opens its list of runs over and over."""
    def measure(bench):
        count = count_of(bench.options)
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count), [function]) as daemon:
            page = f"http://{daemon.http}/api"
            lookers = [subprocess.Popen(["sh", "-c", f"while :; do curl -sN {url} >/dev/null; sleep 1; done"], start_new_session=True)
                       for url in (f"{page}/live", f"{page}/runs")]
            try:
                seconds = daemon.wait_for(count)
            finally:
                for looker in lookers:
                    os.killpg(looker.pid, signal.SIGTERM)
                    looker.wait()
            return contenders.rate({"events": count, "seconds": seconds}, daemon.stop())
    return measure


def instructions_of(bench, count, **settings):
    """Of a whole daemon, from its start to its end, in user space."""
    folder = bench.fresh("callgrind")
    folder.mkdir()
    here, wrapper, counted = bench.program, folder / "stepd", folder / "counted"
    wrapper.write_text(f'#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file={counted} {here.stepd} "$@"\n')
    wrapper.chmod(0o755)
    bench.program = replace(here, stepd=wrapper)
    try:
        with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count), ["noop"], **settings) as daemon:
            daemon.wait_for(count)
            daemon.stop()
    finally:
        bench.program = here
    return int(re.search(r"^(?:summary|totals): (\d+)", counted.read_text(), re.M)[1])


def instructions(bench, **settings):
    """What events cost beyond a daemon's start and end: the difference between many and few."""
    many, few = some_events(bench.options), some_events(bench.options) // 5
    return {"instructions": (instructions_of(bench, many, **settings) - instructions_of(bench, few, **settings)) / (many - few)}


def instructions_traced(sample):
    def measure(bench):
        with Collector() as url:
            return instructions(bench, tracing={"otlp": url, "sample": sample})
    return measure


def loop(count_of, burn_ns=0, tuned=()):
    def measure(bench):
        count = count_of(bench.options)
        return measured(compile_c(HERE / "floor/loop.c", "-lrdkafka"), bench.kafka, bench.topic_of(count), count, burn_ns, *tuned)
    return measure


def on_kafka(peer, count_of):
    def measure(bench):
        count = count_of(bench.options)
        return measured(*peer(), bench.kafka, bench.topic_of(count), count)
    return measure


def parallel_consumer(count_of, order="unordered", threads=16, sleep_ms=0):
    def measure(bench):
        count = count_of(bench.options)
        return measured(*contenders.parallel_consumer(), bench.kafka, bench.topic_of(count), count, order, threads, sleep_ms)
    return measure


def on_redis(peer, mode, count_of, per_event=1):
    def measure(bench):
        count = count_of(bench.options)
        words = peer()
        with Redis(bench.fresh("redis")) as redis:
            result = measured(*words, redis.port, mode, count, 0)
            redis_us = redis.cpu_s() * 1e6 / (count * per_event)
        return {"per_second": result["per_second"] * per_event, "cpu_s_per_million": result["cpu_s_per_million"] / per_event,
                "redis_us": redis_us}
    return measure


def replayed(function, count_of, per_event, **settings):
    """What stepd said to its Redis, said to another one by a client that waits for nothing."""
    def measure(bench):
        count = count_of(bench.options)
        said = bench.folder / f"said-{function}-{count}"
        if not said.exists():
            with Redis(bench.fresh("redis")) as redis, Recorder(redis.port) as recorder, \
                    Daemon(bench, bench.fresh("stepd"), recorder, bench.topic_of(count), [function], **settings) as daemon:
                daemon.wait_for(count * per_event)
                daemon.stop()
                said.write_bytes(recorder.longest())
        with Redis(bench.fresh("redis")) as redis:
            return measured(compile_c(HERE / "floor/replay.c", "-lhiredis"), redis.port, said, count * per_event)
    return measure


def sleepers(count_of):
    def measure(bench):
        return measured(compile_c(HERE / "floor/sleepers.c", "-lpthread"), count_of(bench.options))
    return measure


def events(options):
    return options.events


def some_events(options):
    return max(1000, options.events // 5)


def jobs(options):
    return options.jobs


def all_jobs(options):
    return options.jobs * 5


def few_jobs(options):
    return max(100, options.jobs // STEPS)


def few_runs(options):
    return max(100, few_jobs(options) // STEPS)


class Collector:
    """Takes traces, and forgets them."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def traced(function, count_of, sample):
    def measure(bench):
        with Collector() as url:
            return stepd(function, count_of, tracing={"otlp": url, "sample": sample})(bench)
    return measure


# ---- time ------------------------------------------------------------------------------------------------------


def percentiles(samples):
    return {"p50_ms": samples[len(samples) // 2], "p99_ms": samples[len(samples) * 99 // 100]}


def latency_of_stepd(bench):
    count = RATE * bench.options.seconds
    topic = bench.fresh_topic()
    with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["latency"]) as daemon:
        daemon.wait_ready()
        time.sleep(1)
        producer = bench.produce_steadily(topic, count, RATE)
        daemon.wait_for(count)
        producer.wait()
        return percentiles(daemon.samples_ms())


def latency_of_loop(bench):
    count = RATE * bench.options.seconds
    topic = bench.fresh_topic()
    program = compile_c(HERE / "floor/loop.c", "-lrdkafka")
    producer = None
    consumer = subprocess.Popen([program, bench.kafka, topic, str(count), "-1"], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(2)
        producer = bench.produce_steadily(topic, count, RATE)
        return json.loads(consumer.communicate(timeout=contenders.LONGEST_S)[0])
    finally:
        consumer.kill()
        if producer is not None:
            producer.wait()


def checkpoints_of_stepd(bench):
    count = SELDOM * bench.options.seconds
    topic = bench.fresh_topic()
    with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["checkpoint"]) as daemon:
        daemon.wait_ready()
        time.sleep(1)
        producer = bench.produce_steadily(topic, count, SELDOM)
        daemon.wait_for(count * 2)
        producer.wait()
        time.sleep(0.1)
        return percentiles(daemon.samples_ms())


def checkpoints_of_loop(bench):
    with Redis(bench.fresh("redis")) as redis:
        return measured(compile_c(HERE / "floor/push.c", "-lhiredis"), redis.port, SELDOM * bench.options.seconds, SELDOM)


def start_of_stepd(bench):
    topic = bench.topic_of(1000)
    with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["noop"]) as daemon:
        ready_ms = daemon.wait_ready() * 1000
        daemon.wait_for(1000)
        return {"ready_ms": ready_ms, "first_event_ms": (time.monotonic() - daemon.started) * 1000}


def start_of_loop(bench):
    topic = bench.topic_of(1000)
    program = compile_c(HERE / "floor/loop.c", "-lrdkafka")
    begun = time.monotonic()
    contenders.run(program, bench.kafka, topic, 1000, 0)
    return {"first_event_ms": (time.monotonic() - begun) * 1000}


# ---- a bad evening ---------------------------------------------------------------------------------------------

BUSY = 2000      # events a second, each of which starts both functions
INCIDENT = {f"{figure}_{phase}": f"{figure}, {text}, ms" for phase, text in {
    "fine": "before", "broken": "each run of the other fails", "paused": "it is paused", "resumed": "its line begins", "retried": "its failures are retried",
    "after": "after all"}.items() for figure in ("p50", "p99", "max")} | {
    "failed": "runs failed and retried", "retry_s": "s to retry them", "lost": "runs of the other that were lost"}


def phases(daemon, result):
    """A function that does some work and notes how late samples were meanwhile."""
    def phase(name, work):
        first = daemon.sample_count()
        work()
        samples = daemon.samples_ms(first)
        result.update({f"p50_{name}": samples[len(samples) // 2], f"p99_{name}": samples[len(samples) * 99 // 100], f"max_{name}": samples[-1]})
    return phase


def incident(**settings):
    """docs/on-call.md, "A bad release": how late a function begins beside one that fails, of the same events."""
    def measure(bench):
        seconds = bench.options.seconds
        count = BUSY * (6 * seconds + 30)
        topic = bench.fresh_topic()
        bench.create_topic(f"{topic}.dead", 4)
        result = {}
        with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["latency", "charge"], **settings) as daemon:
            phase = phases(daemon, result)
            daemon.wait_ready()
            time.sleep(1)
            producer = bench.produce_steadily(topic, count, BUSY)
            try:
                daemon.wait_for(2 * BUSY)
                phase("fine", lambda: time.sleep(seconds))
                daemon.set_broken(True)
                phase("broken", lambda: time.sleep(2 * seconds))
                phase("paused", lambda: (daemon.ctl("pause", "charge"), time.sleep(seconds)))
                daemon.set_broken(False)
                phase("resumed", lambda: (daemon.ctl("resume", "charge"),
                                          wait_until(daemon, lambda: daemon.metric("stepd_runs_queued", "charge") == 0)))
                begun = time.monotonic()
                phase("retried", lambda: (result.update(failed=json.loads(daemon.ctl("retry", "--function", "charge"))["retried"]),
                                          result.update(retry_s=time.monotonic() - begun),
                                          wait_until(daemon, lambda: float(redis.ask("ZCARD", "stepd{0}:delayed")) == 0)))
                phase("after", lambda: time.sleep(seconds))
                producer.wait(contenders.LONGEST_S)
                wait_until(daemon, lambda: daemon.seen() >= 2 * count)
            finally:
                producer.kill()
                producer.wait()
            time.sleep(1)
            return {**result, "lost": 2 * count - daemon.seen()}
    return measure


def failing(**settings):
    """Until each run has failed for good: its dead letter and stepd/function.failed are out, and it is buried."""
    def measure(bench):
        count = bench.options.jobs
        topic = bench.fresh_topic()
        bench.create_topic(f"{topic}.dead", 4)
        bench.fill(topic, count, "bench/event")
        with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["fails"], **settings) as daemon:
            daemon.wait_for(1)
            begun = time.monotonic()
            wait_until(daemon, lambda: daemon.metric("stepd_runs_failed_total", "fails") >= count)
            seconds = time.monotonic() - begun
            redis_us = redis.cpu_s() * 1e6 / count
            return {**contenders.rate({"events": count, "seconds": seconds}, daemon.stop()), "redis_us": redis_us}
    return measure


BULK = {f"{figure}_{phase}": f"{figure}, {text}, ms" for phase, text in {
    "fine": "before", "cancelled": "while they are cancelled", "retried": "while they are retried", "after": "after all"}.items()
    for figure in ("p50", "p99", "max")} | {"cancel_s": "s to cancel them", "retry_s": "s to retry them"}


def bulk(bench):
    """`--waiting` runs cancelled and retried by a filter: how long the result of a step takes beside that, 100 runs a second."""
    waiting, result = bench.options.waiting, {}
    topic = bench.fresh_topic()

    def change(figure, *words):
        begun = time.monotonic()
        changed = json.loads(daemon.ctl(*words))
        assert list(changed.values()) == [waiting], changed
        result[figure] = time.monotonic() - begun
    with Redis(bench.fresh("redis")) as redis, \
            Daemon(bench, bench.fresh("stepd"), redis, None, ["waits", "checkpoint"], topics=[topic, bench.topic_of(waiting)],
                   history_limit=2 * waiting) as daemon:
        phase = phases(daemon, result)
        wait_until(daemon, lambda: float(redis.ask("ZCARD", "stepd{0}:delayed")) >= waiting)
        producer = bench.produce_steadily(topic, SELDOM * contenders.LONGEST_S, SELDOM)
        try:
            wait_until(daemon, lambda: daemon.sample_count() >= SELDOM)
            phase("fine", lambda: time.sleep(bench.options.seconds))
            phase("cancelled", lambda: change("cancel_s", "cancel", "--function", "waits"))
            phase("retried", lambda: change("retry_s", "retry", "--function", "waits", "--status", "cancelled"))
            wait_until(daemon, lambda: float(redis.ask("ZCOUNT", "stepd{0}:delayed", "-inf", str(int(time.time() * 1000)))) == 0)
            phase("after", lambda: time.sleep(bench.options.seconds))
        finally:
            producer.kill()
            producer.wait()
    return result


# ---- runs that wait --------------------------------------------------------------------------------------------


def lateness_of_stepd(bench):
    waiting, count = bench.options.waiting, RATE * bench.options.seconds
    timed = bench.fresh_topic()
    with Redis(bench.fresh("redis")) as redis:
        result = {}
        with Daemon(bench, bench.fresh("stepd"), redis, timed, ["waits", "late"]) as daemon:
            daemon.wait_ready()
            time.sleep(1)
            result["idle_mb"] = daemon.resident_mb()
            daemon.stop()
        empty_bytes = redis.info("used_memory")
        with Daemon(bench, bench.fresh("stepd"), redis, timed, ["waits", "late"], topics=[timed, bench.topic_of(waiting)],
                    history="none") as daemon:
            daemon.wait_for(waiting)
            time.sleep(8)
            result["waiting_mb"] = daemon.resident_mb()
            result["bytes_a_run"] = (redis.info("used_memory") - empty_bytes) / waiting - 200
            before_s = redis.cpu_s() + daemon.cpu_s()
            producer = bench.produce_steadily(timed, count, RATE)
            daemon.wait_for(waiting + count)
            producer.wait()
            result["cpu_us_a_run"] = (redis.cpu_s() + daemon.cpu_s() - before_s) * 1e6 / count
            return {**result, **percentiles(daemon.samples_ms())}


def late_on_redis(peer):
    def measure(bench):
        words = peer()
        with Redis(bench.fresh("redis")) as redis:
            return measured(*words, redis.port, "late", RATE * bench.options.seconds, bench.options.waiting)
    return measure


def cost_with(waiting):
    """The CPU time of daemon and Redis for a run that fails once and is due a second later."""
    def measure(bench):
        kept, bench.options.waiting = bench.options.waiting, waiting
        try:
            return {"cpu_us_a_run": lateness_of_stepd(bench)["cpu_us_a_run"]}
        finally:
            bench.options.waiting = kept
    return measure


# ---- how cost grows --------------------------------------------------------------------------------------------

BURST = 200000
LARGE_SIZE = 900000


def among(functions):
    """An event that starts one function of that many."""
    def measure(bench):
        count = bench.options.events
        topic = bench.topic_of(count)
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, topic, ["noop"], modules=[bench.program.many(functions)]) as daemon:
            while daemon.seen() == 0:
                time.sleep(contenders.POLL_S)
            begun_s, seen = daemon.cpu_s(), daemon.seen()
            daemon.wait_for(count)
            return {"event_us": (daemon.cpu_s() - begun_s) * 1e6 / (count - seen)}
    return measure


def step_of(function, steps):
    def measure(bench):
        count = max(2, bench.options.jobs * 5 // steps)
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count), [function], worker={"threads": 64}) as daemon:
            daemon.wait_for(count * steps)
            return {"step_us": (redis.cpu_s() + daemon.cpu_s()) * 1e6 / (count * steps)}
    return measure


def after_a_burst(runs):
    """What is left of the memory ten seconds after that many runs were parked at once."""
    def measure(bench):
        topic = bench.fresh_topic()
        with Redis(bench.fresh("redis")) as redis:
            with Daemon(bench, bench.fresh("stepd"), redis, topic, ["waits"]) as daemon:
                daemon.wait_ready()
                time.sleep(1)
                idle_mb = daemon.resident_mb()
                daemon.stop()
            with Daemon(bench, bench.fresh("stepd"), redis, topic, ["waits"], topics=[bench.topic_of(runs)]) as daemon:
                daemon.wait_for(runs)
                time.sleep(10)
                return {"grown_mb": daemon.resident_mb() - idle_mb}
    return measure


def spread_over(partitions):
    """What the daemon takes of memory once it has read a topic of that many."""
    def measure(bench):
        count = some_events(bench.options)
        topic = bench.topic_of(count, partitions=partitions)
        with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["noop"]) as daemon:
            daemon.wait_for(count)
            time.sleep(5)
            return {"resident_mb": daemon.resident_mb()}
    return measure


def of_size(options, size):
    """As many events as are as many bytes as those of the other questions, three times over where they are few."""
    return options.events if size == EVENT_SIZE else max(50, 3 * options.events * EVENT_SIZE // size)


def bytes_of(size, result):
    """Of the rate of events, that of their bytes."""
    return {"mb_per_second": result["per_second"] * size / 1e6, "cpu_s_per_gb": result["cpu_s_per_million"] * 1e3 / size}


def sized(size):
    def measure(bench):
        count = of_size(bench.options, size)
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count, size=size), ["noop"]) as daemon:
            seconds = daemon.wait_for(count)
            return bytes_of(size, contenders.rate({"events": count, "seconds": seconds}, daemon.stop()))
    return measure


def sized_loop(size):
    def measure(bench):
        count = of_size(bench.options, size)
        return bytes_of(size, measured(compile_c(HERE / "floor/loop.c", "-lrdkafka"), bench.kafka, bench.topic_of(count, size=size), count, 0))
    return measure


def share_of_trips(round_trip_ms, threads, per_second):
    return {"steps_per_second": per_second, "share": per_second * round_trip_ms / 1000 / threads}


def steps_that_far(options, round_trip_ms, threads):
    return int(min(threads * 1000 / round_trip_ms * options.seconds, options.jobs * 5))


def far(round_trip_ms, threads):
    """Steps that each wait for one round trip to a Redis so far away: of what as many round trips at once allow."""
    def measure(bench):
        count = steps_that_far(bench.options, round_trip_ms, threads)
        with Redis(bench.fresh("redis")) as redis, contenders.Relay(redis, round_trip_ms) as relay, \
                Daemon(bench, bench.fresh("stepd"), relay, bench.topic_of(bench.options.jobs), ["steps"],
                       worker={"threads": threads}) as daemon:
            return share_of_trips(round_trip_ms, threads, count / daemon.wait_for(count))
    return measure


def far_loop(round_trip_ms, threads):
    """What the relay and the machine give threads that do nothing else."""
    def measure(bench):
        with Redis(bench.fresh("redis")) as redis, contenders.Relay(redis, round_trip_ms) as relay:
            result = measured(compile_c(HERE / "floor/trips.c", "-lhiredis", "-lpthread"), relay.port,
                              steps_that_far(bench.options, round_trip_ms, threads), threads)
            return share_of_trips(round_trip_ms, threads, result["per_second"])
    return measure


def keyed(keys):
    """An event whose key's events stay in order."""
    def measure(bench):
        count = bench.options.events
        topic = bench.topic_of(count, keys=keys)
        with Redis(bench.fresh("redis")) as redis, Daemon(bench, bench.fresh("stepd"), redis, topic, ["by-key"]) as daemon:
            while daemon.seen() == 0:
                time.sleep(contenders.POLL_S)
            begun_s, seen = daemon.cpu_s(), daemon.seen()
            daemon.wait_for(count)
            return {"event_us": (daemon.cpu_s() - begun_s) * 1e6 / (count - seen)}
    return measure


# ---- flow control ----------------------------------------------------------------------------------------------

KEYS = 10000                                # as modules/bench.c has them
TURN_KEYS = f"event.data.number % {KEYS}"
FLOW = {**DURABLE, "redis_calls": "calls to Redis an event", "p50_ms": "a turn is late, p50 ms", "p99_ms": "a turn is late, p99 ms"}


def wait_until(daemon, condition):
    end = time.monotonic() + contenders.LONGEST_S
    while not condition():
        daemon.check()
        if time.monotonic() > end:
            raise CantBeHad(f"not within {contenders.LONGEST_S} s: {daemon.log()}")
        time.sleep(0.05)


def refused(bench):
    """Events over a rate limit of each of 1,000 keys."""
    count = some_events(bench.options)
    limits = {"noop": {"rate_limit": {"limit": 1, "period": "24h", "key": "event.data.number % 1000"}}}
    with Redis(bench.fresh("redis")) as redis, \
            Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count), ["noop"], limits=limits, worker={"threads": 64}) as daemon:
        wait_until(daemon, daemon.seen)
        begun = time.monotonic()
        skipped = daemon.metric("stepd_runs_skipped_total", "noop")
        wait_until(daemon, lambda: daemon.metric("stepd_runs_skipped_total", "noop") + daemon.seen() >= count)
        seconds, done = time.monotonic() - begun, count - skipped - 1
        scripts = float(redis.ask("INFO", "commandstats").split("cmdstat_evalsha:calls=")[1].split(",")[0])
        return {**contenders.rate({"events": done, "seconds": seconds}, daemon.stop()), "redis_calls": scripts / count}


def admitted(function, throttle, figures):
    """All that wait in line, of 10,000 keys, from the moment that they may begin."""
    def measure(bench):
        count = bench.options.waiting
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count), [function], worker={"threads": 64},
                       limits={function: {"throttle": {**throttle, "key": TURN_KEYS}}}) as daemon:
            daemon.ctl("pause", function)
            wait_until(daemon, lambda: daemon.metric("stepd_runs_queued", function) + daemon.seen() >= count)
            already, redis_s, daemon_s = daemon.seen(), redis.cpu_s(), daemon.cpu_s()
            daemon.ctl("resume", function)
            seconds, done = daemon.wait_for(count), count - already
            return {**figures(daemon, done, seconds), "redis_us": (redis.cpu_s() - redis_s) * 1e6 / done,
                    "cpu_s_per_million": (daemon.cpu_s() - daemon_s) * 1e6 / done}
    return measure


# The turns of the keys are spread over a period, as they are once a queue is some periods old.
SPREAD = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local keys, period = tonumber(ARGV[1]), tonumber(ARGV[2])
for key = 0, keys - 1 do
    local at = math.floor((key + 1) * period / keys)
    redis.call('SET', KEYS[1] .. '\\0=' .. key, string.format('%.0f', now + at), 'PX', math.ceil(at / 1000) + 1)
end
"""


def let_pass(daemon, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        daemon.check()
        time.sleep(0.1)


def turns(function, period_s):
    """A turn each `period_s` for each of 10,000 keys, in whose lines runs wait: how late they are."""
    def measure(bench):
        count = bench.options.waiting
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, bench.topic_of(count), [function], worker={"threads": 64},
                       limits={function: {"throttle": {"limit": 1, "period": f"{period_s}s", "key": TURN_KEYS}}}) as daemon:
            daemon.ctl("pause", function)
            wait_until(daemon, lambda: daemon.metric("stepd_runs_queued", function) + daemon.seen() >= count)
            redis.ask("EVAL", SPREAD, "1", f"stepd{{0}}:turn:{function}", str(KEYS), str(period_s * 1000000))
            before, redis_s, daemon_s = daemon.seen(), redis.cpu_s(), daemon.cpu_s()
            daemon.ctl("resume", function)
            let_pass(daemon, period_s)
            first = len(daemon.samples_ms())    # of keys that had a turn before all were in line
            let_pass(daemon, bench.options.seconds)
            done, late = daemon.seen() - before, daemon.samples_ms(first)
            if not late:
                raise CantBeHad(f"no key had a second turn within {period_s + bench.options.seconds} s")
            return {"per_second": done / (period_s + bench.options.seconds), "redis_us": (redis.cpu_s() - redis_s) * 1e6 / done,
                    "cpu_s_per_million": (daemon.cpu_s() - daemon_s) * 1e6 / done, **percentiles(late)}
    return measure


def admission(daemon, count, seconds):
    return {"per_second": count / seconds}


def lateness_of_turns(daemon, count, seconds):
    return {"per_second": count / seconds, **percentiles(daemon.samples_ms())}


# ---- runs that wait for events -------------------------------------------------------------------------------


def waiting(redis, daemon, count):
    """Once that many stand in the list of those that wait."""
    wait_until(daemon, lambda: daemon.seen() >= count and float(redis.ask("ZCARD", "stepd{0}:waiting")) >= count)


def matched(functions, name, counted):
    """`--events` events of that name, while `--waiting` runs wait: what `counted` says of each is the daemon's to count."""
    def measure(bench):
        held, count = bench.options.waiting, bench.options.events if counted == 0 else bench.options.waiting
        topic = bench.fresh_topic()
        with Redis(bench.fresh("redis")) as redis, \
                Daemon(bench, bench.fresh("stepd"), redis, None, functions, worker={"threads": 64}, topics=[bench.topic_of(held), topic]) as daemon:
            daemon.wait_ready()
            starting = time.monotonic()
            waiting(redis, daemon, held)
            begun_s = time.monotonic() - starting
            before, cpu_s, redis_s = daemon.seen(), daemon.cpu_s(), redis.cpu_s()
            begun = time.monotonic()
            bench.fill(topic, count, name)
            daemon.wait_for(before + count)
            seconds = time.monotonic() - begun
            return {"per_second": count / seconds, "cpu_us": (daemon.cpu_s() - cpu_s) * 1e6 / count,
                    "redis_us": (redis.cpu_s() - redis_s) * 1e6 / count, "begun": held / begun_s, "resident_mb": daemon.resident_mb()}
    return measure


WAITS = {"per_second": "events a second", "cpu_us": "daemon's CPU µs an event", "redis_us": "Redis's CPU µs an event",
         "begun": "waits begun a second", "resident_mb": "daemon, MB"}


# ---- functions of Inngest's SDKs -------------------------------------------------------------------------------


def wait_for_app(daemon, app):
    """Until the daemon has its functions: they outlast it."""
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://{daemon.http}/dev", timeout=5) as answer:
                if json.loads(answer.read())["functions"]:
                    return
        except OSError:
            pass
        daemon.check()
        if time.monotonic() > end:
            raise CantBeHad("the app does not register")
        time.sleep(0.1)


def sdk_runs(kind, version, count_of):
    """Runs of an app's function, of events that are in the topic already. The app's share of a core tells who was at
    his bound."""
    def measure(bench):
        count = count_of(bench.options)
        http = f"127.0.0.1:{contenders.free_port()}"
        group = f"sdk-{bench.number}"
        with Redis(bench.fresh("redis")) as redis, contenders.App(kind, version, http) as app:
            settings = {"http": http, "group": group, "inngest": {"apps": [app.url], "topic": "none"}}
            with Daemon(bench, bench.fresh("stepd"), redis, "none", [], **settings) as daemon:
                wait_for_app(daemon, app)
                daemon.stop()
            topic = bench.topic_of(count)
            settings["inngest"] = {"apps": [app.url], "topic": topic}
            with Daemon(bench, bench.fresh("stepd"), redis, topic, [], **settings) as daemon:
                return watch_app(daemon, app, count)
    return measure


def watch_app(daemon, app, count):
    first, begun = None, time.monotonic()
    while True:
        counts, now = app.counts(), time.monotonic()
        if first is None and counts["ended"] > 0:
            first, begun, daemon_s, idle_mb = counts, now, daemon.cpu_s(), daemon.resident_mb()
        if counts["ended"] >= count:
            runs, seconds = counts["ended"] - first["ended"], now - begun
            if runs == 0:
                raise CantBeHad("too few runs to see any of them: more --jobs")
            app_s, daemon_s = counts["cpu_s"] - first["cpu_s"], daemon.cpu_s() - daemon_s
            return {"per_second": runs / seconds, "app_cores": app_s / seconds, "app_ms": app_s / runs * 1000,
                    "daemon_ms": daemon_s / runs * 1000, "daemon_mb": daemon.resident_mb(), "start_mb": idle_mb}
        daemon.check()
        time.sleep(0.1)


def sdk_target(per_second):
    """So many a second, or all that the app's process can do."""
    def verdict(results):
        rate, cores, app_ms, daemon_ms = (median(result[figure] for result in results)
                                          for figure in ("per_second", "app_cores", "app_ms", "daemon_ms"))
        if rate >= per_second:
            return f"{per_second:,} a second or more"
        bounds = f"a core's worth of the app's process is {1000 / app_ms:,.0f} a second, of the daemon's {1000 / daemon_ms:,.0f}"
        if cores >= FULL_CORE:
            return f"the app's process is what bounds it, at {cores:.2f} cores: {bounds}"
        return f"fewer than {per_second:,} a second, but the app's process had {cores:.2f} of a core alone: {bounds}"
    return verdict


# ---- many daemons ----------------------------------------------------------------------------------------------

FLEET, PARTITIONS = 10, 32


def fleet(bench):
    topic = bench.fresh_topic(PARTITIONS)
    group = f"fleet-{bench.number}"
    with Redis(bench.fresh("redis")) as redis:
        def launch():
            return Daemon(bench, bench.fresh("stepd"), redis, topic, ["latency"], group=group, worker={"threads": 4})
        daemons = [launch() for _ in range(FLEET - 1)]
        try:
            for daemon in daemons:
                daemon.wait_ready()
            producer = bench.produce_steadily(topic, RATE * (bench.options.seconds + 15), RATE)
            time.sleep(2)
            daemons.append(launch())
            pause_s = longest_pause(daemons, 8)
            before = [daemon.seen() for daemon in daemons]
            time.sleep(bench.options.seconds)
            shares = [daemon.seen() - start for daemon, start in zip(daemons, before)]
            producer.kill()
            producer.wait()
        finally:
            for daemon in daemons:
                daemon.__exit__()
    even = sum(shares) / len(shares)
    if even == 0:
        raise CantBeHad("the fleet did nothing")
    return {"pause_ms": pause_s * 1000, "least_share": min(shares) / even, "most_share": max(shares) / even}


def longest_pause(daemons, seconds):
    """The longest time in which none of them finished anything."""
    end = time.monotonic() + seconds
    last, seen, longest = time.monotonic(), 0, 0.0
    while time.monotonic() < end:
        total = sum(daemon.seen() for daemon in daemons)
        now = time.monotonic()
        if total != seen:
            longest, last, seen = max(longest, now - last), now, total
        time.sleep(0.005)
    return max(longest, time.monotonic() - last)


ALL = {
    "noop": Question("no-op events of 200 B, already in the topic", THROUGHPUT, {
        "stepd": stepd("noop", events), "librdkafka loop": loop(events), "librdkafka loop, tuned": loop(events, tuned=["tuned"]),
        "Parallel Consumer": parallel_consumer(events),
        "kafkajs, batches": on_kafka(contenders.kafkajs, events), "confluent-kafka, batches": on_kafka(contenders.confluent_kafka, events),
        "BullMQ": on_redis(contenders.bullmq, "noop", jobs), "asynq": on_redis(contenders.asynq, "noop", jobs),
        "dramatiq": on_redis(contenders.dramatiq, "noop", few_jobs)}),
    "instructions": Question("the same, counted under callgrind", {"instructions": "instructions an event, of all threads"}, {
        "stepd": instructions, "stepd, traces of none": instructions_traced(0), "stepd, traces of 1 %": instructions_traced(0.01)}),
    "page": Question("the same, by what becomes of the page", THROUGHPUT, {
        "stepd": stepd("noop", events, http=""), "stepd, page on": stepd("noop", events),
        "stepd, page looked at": looked_at("noop", events)}),
    "trace": Question("the same, by what is traced", THROUGHPUT, {
        "stepd": stepd("noop", events), "stepd, traces of none": traced("noop", events, 0), "stepd, traces of 1 %": traced("noop", events, 0.01)}),
    "burn": Question("events whose handler burns 1 µs", THROUGHPUT, {"stepd": stepd("burn", events), "librdkafka loop": loop(events, 1000)}),
    "by-key": Question("no-op events in order by 10,007 keys", THROUGHPUT, {
        "stepd": stepd("by-key", events), "stepd, unordered": stepd("noop", events),
        "Parallel Consumer": parallel_consumer(events, "key")}),
    "sleep": Question("handlers that sleep 1 ms, 64 threads", THROUGHPUT, {
        "stepd": stepd("nap", some_events, worker={"threads": 64}), "64 sleeping threads": sleepers(some_events),
        "Parallel Consumer": parallel_consumer(some_events, threads=64, sleep_ms=1)}),
    "steps": Question("durable steps, runs of 10, results of 100 B, append-only every second", DURABLE, {
        "stepd": stepd("steps", few_jobs, STEPS, worker={"threads": 64}),
        "the same scripts, pipelined": replayed("steps", few_jobs, STEPS, worker={"threads": 64}),
        "BullMQ, chained jobs": on_redis(contenders.bullmq, "chain", few_jobs, STEPS),
        "asynq, chained tasks": on_redis(contenders.asynq, "chain", few_jobs, STEPS),
        "dramatiq, chained": on_redis(contenders.dramatiq, "chain", lambda options: max(100, few_jobs(options) // STEPS), STEPS)}),
    "steps-100": Question("the same, runs of 100", DURABLE, {
        "stepd": stepd("steps-100", few_runs, 100, worker={"threads": 64})}),
    "retries": Question("runs that fail once, wait 200 ms, and complete", DURABLE, {
        "stepd": stepd("retries", jobs, worker={"threads": 64}),
        "BullMQ": on_redis(contenders.bullmq, "retry", jobs), "asynq": on_redis(contenders.asynq, "retry", jobs),
        "dramatiq": on_redis(contenders.dramatiq, "retry", few_jobs)}),
    "grow": Question("what is larger, and costs no more by it", {
        "event_us": "CPU µs an event", "step_us": "CPU µs a step, daemon and Redis", "grown_mb": "MB more, 10 s after a burst of runs was parked",
        "resident_mb": "daemon, MB", "mb_per_second": "MB of events a second", "cpu_s_per_gb": "CPU s a GB of events",
        "steps_per_second": "steps a second", "share": "of what the round trips allow"}, {
        "stepd, 1 function": among(1), "stepd, 10,000 functions": among(10000),
        "stepd, runs of 100 steps": step_of("steps-100", 100), "stepd, runs of 1,000 steps": step_of("steps-1000", 1000),
        f"stepd, {BURST:,} parked": after_a_burst(BURST), f"stepd, {5 * BURST:,} parked": after_a_burst(5 * BURST),
        "stepd, 1 partition": spread_over(1), "stepd, 1,000 partitions": spread_over(1000),
        "stepd, events of 200 B": sized(EVENT_SIZE), "librdkafka loop, events of 200 B": sized_loop(EVENT_SIZE),
        "stepd, events of 900 KB": sized(LARGE_SIZE), "librdkafka loop, events of 900 KB": sized_loop(LARGE_SIZE),
        **{f"{name}, Redis {ms} ms away, {threads} threads": measure(ms, threads)
           for ms in (1, 5) for threads in (8, 64, 256) for name, measure in (("stepd", far), ("hiredis loops", far_loop))},
        **{f"stepd, {keys:,} keys in order": keyed(keys) for keys in (10, 10000, 1000000)}}),
    "latency": Question("produced to handler started, 1,000 a second", {"p50_ms": "p50 ms", "p99_ms": "p99 ms"}, {
        "stepd": latency_of_stepd, "librdkafka loop": latency_of_loop}),
    "incident": Question(f"a function beside one of which each run fails, on the same {BUSY:,} events a second: produced to started", INCIDENT,
                         {"stepd": incident(), "stepd, 256 threads": incident(worker={"threads": 256})}),
    "failing": Question("runs that fail for good at once", DURABLE, {"stepd": failing(), "stepd, 64 threads": failing(worker={"threads": 64})}),
    "bulk": Question("--waiting runs cancelled and retried by a filter: a step's result beside that, 100 runs a second", BULK, {"stepd": bulk}),
    "checkpoint": Question("a step's result is kept, 100 runs a second", {"p50_ms": "p50 ms", "p99_ms": "p99 ms"}, {
        "stepd": checkpoints_of_stepd, "hiredis loop, RPUSH": checkpoints_of_loop}),
    "lateness": Question("retries, 1,000 due a second while others wait", {
        "p50_ms": "late, p50 ms", "p99_ms": "late, p99 ms", "idle_mb": "daemon idle, MB", "waiting_mb": "daemon with all waiting, MB",
        "bytes_a_run": "Redis bytes a waiting run beyond its 200 B"}, {
        "stepd": lateness_of_stepd, "BullMQ": late_on_redis(contenders.bullmq), "asynq": late_on_redis(contenders.asynq)}),
    "cost": Question("one due run with that many waiting", {"cpu_us_a_run": "CPU µs, daemon and Redis"}, {
        "stepd": cost_with(1000), "stepd, 10,000": cost_with(10000), "stepd, 100,000": cost_with(100000),
        "stepd, 1,000,000": cost_with(1000000)}),
    "flow": Question("flow control: no-op events, 10,000 keys under throttle with 100,000 queued, refusals, batches", FLOW, {
        "stepd": stepd("noop", events),
        "stepd, batches of 100": stepd("gathered", events, limits={"gathered": {"batch": {"size": 100, "timeout": "1s"}}}),
        "stepd, over a rate limit": refused,
        "stepd, admission": admitted("noop", {"limit": 1000000, "period": "1s"}, admission),
        "stepd, 1,000 turns a second": turns("turn-10s", 10),
        "stepd, 5,000 turns a second": turns("turn-2s", 2),
        "stepd, a turn a second for each key": admitted("turn", {"limit": 1, "period": "1s"}, lateness_of_turns)}),
    "waits": Question("events, each counted by a no-op function, while --waiting runs wait by a key of theirs", WAITS, {
        "stepd": matched(["holds-on", "answered"], "bench/answer", 0),
        "stepd, each ends one": matched(["holds"], "bench/answer", 1),
        "stepd, of a name that nobody waits for": matched(["holds-on", "unasked"], "bench/unasked", 0)}),
    "start": Question("process start, broker up", {"ready_ms": "ms to ready", "first_event_ms": "ms to the 1,000th event"}, {
        "stepd": start_of_stepd, "librdkafka loop": start_of_loop}),
    "sdk-noop": Question("no-op runs of Inngest's SDK for Node.js 3.54.2, and of 4.24.0", SDK, {
        "stepd": sdk_runs("noop", 3, few_jobs), "stepd, SDK 4": sdk_runs("noop", 4, few_jobs)}, sdk_target(1310)),
    "sdk-steps": Question("runs of ten steps of the same SDKs", SDK, {
        "stepd": sdk_runs("steps", 3, few_runs), "stepd, SDK 4": sdk_runs("steps", 4, few_runs)}, sdk_target(160)),
    "programs": Question("no-op functions of programs, one process each", THROUGHPUT, {
        "stepd": programs.throughput("python", "noop", jobs), "stepd, Python on threads": programs.throughput("python", "noop-threads", jobs),
        "dramatiq": on_redis(contenders.dramatiq, "noop", few_jobs), "Celery": on_redis(contenders.celery, "noop", few_jobs),
        "stepd, Node.js": programs.throughput("node", "noop", jobs), "BullMQ": on_redis(contenders.bullmq, "noop", jobs)}),
    "program-steps": Question("durable steps of programs, runs of 10, one process each", THROUGHPUT, {
        "stepd": programs.throughput("python", "steps", few_jobs, STEPS), "stepd, Node.js": programs.throughput("node", "steps", few_jobs, STEPS),
        "dramatiq, chained": on_redis(contenders.dramatiq, "chain", lambda options: max(100, few_jobs(options) // STEPS), STEPS),
        "Celery, chained": on_redis(contenders.celery, "chain", lambda options: max(100, few_jobs(options) // STEPS), STEPS),
        "BullMQ, chained jobs": on_redis(contenders.bullmq, "chain", few_jobs, STEPS)}),
    "program-latency": Question("produced to function started, 1,000 a second", {"p50_ms": "p50 ms", "p99_ms": "p99 ms"}, {
        "stepd": programs.latency(RATE, percentiles), "stepd, a C module": latency_of_stepd}),
    "formats": Question("no-op events of one content, by their format", THROUGHPUT, {
        "stepd": formats.noop("json", events), "stepd, Avro, schema known": formats.noop("avro", events),
        "stepd, CloudEvents, one a message": formats.noop("cloudevent", events),
        "stepd, CloudEvents, 100 a message": formats.noop("cloudevents", events)}),
    "http": Question("calls of `use: http`, to nginx that answers at once, and to a server that answers after a second", {
        **THROUGHPUT, "resident_mb": "daemon, MB", "under_way": "calls under way", "most_under_way": "calls under way, the most"}, {
        "stepd": calls.instant(all_jobs), "libcurl multi loop": calls.instant_loop(all_jobs),
        f"stepd, {calls.UNDER_WAY:,} calls of a second": calls.in_time,
        f"libcurl multi loop, {calls.UNDER_WAY:,} calls of a second": calls.in_time_loop,
        f"stepd, {calls.UNDER_WAY:,} calls of a second, more waiting": calls.behind}),
    "fleet": Question("10 daemons, 32 partitions, one joins", {
        "pause_ms": "ms in which none worked", "least_share": "least share of an even one", "most_share": "most share of an even one"},
        {"stepd": fleet}),
}
