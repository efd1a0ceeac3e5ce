# SPDX-License-Identifier: Apache-2.0
"""Runs that wait for events: each that comes after its wait ends it, none that came before does, whatever is killed."""
import json
import os
import random
import shutil
import threading
import time

import pytest

from support import KafkaTool, eventually


@pytest.fixture
def serve(kafka, daemon, module, topic):
    """A daemon of the test's group whose function `wait` waits (modules/waiting.c)."""
    KafkaTool(kafka.address).create(topic, 4)

    def start(**settings):
        return daemon([module("waiting")], topics=[topic], history="all",
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"},
                      retry={"jitter": 0, "schedule": ["200ms"]}, **settings)
    return start


@pytest.fixture
def send(kafka, topic):
    def produce(name, *events):
        """One event for each of these data; acknowledged when it returns."""
        kafka.produce_lines([f"key-{data.get('id', 0)}\t" + json.dumps({"name": name, "data": data}) for data in events], topic)
    return produce


def outputs(service, status="completed"):
    """By number: what each run of that status ended with."""
    found = {}
    for run in service.runs(status=status):
        shown = service.show(run["id"])
        found[shown["event"]["data"]["n"]] = shown["output"]
    return found


def test_an_event_ends_the_waits_that_it_matches_and_no_other(serve, send):
    worker = serve()
    send("order/paid", {"n": 90, "id": 1})  # before the call: it never counts
    send("order/made", *[{"n": n, "id": n} for n in range(1, 6)])
    worker.wait_for("wait", "waiting", 5)
    assert worker.ctl("stats")["waiting"] == 5
    wish = {"event": "order/paid", "when": "async.data.id == event.data.id"}
    for run in worker.runs(status="waiting"):
        assert [step["waits_for"] for step in worker.show(run["id"])["steps"]] == [wish]
    assert "waits for order/paid when async.data.id == event.data.id" in worker.ctl_run("show", run["id"]).stdout
    send("order/paid", {"n": 91, "id": 2}, {"n": 92, "id": 3}, {"n": 93, "id": 33})
    worker.wait_for("wait", "completed", 2)
    send("order/paid", {"n": 94, "id": 3})  # the wait is over
    assert outputs(worker) == {2: {"n": 91, "name": "order/paid", "key": "key-2"}, 3: {"n": 92, "name": "order/paid", "key": "key-3"}}
    assert len(worker.runs(status="waiting")) == 3
    assert worker.metrics()["stepd_waits_ended_total"] == 2
    ended = worker.show(worker.runs(status="completed")[0]["id"])
    assert [(step["status"], step["waits_for"], step["output"]["name"]) for step in ended["steps"]] == [("completed", wish, "order/paid")]


def test_a_wait_does_not_stand_behind_a_fetch(kafka, daemon, module, topic, send):
    """A broker that lets the daemon's fetch wait for events answers nothing else on that connection meanwhile."""
    KafkaTool(kafka.address).create(topic, 1)
    worker = daemon([module("waiting")], topics=[topic], history="all", kafka={
        "bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 3000},
        worker={"threads": 1})
    send("order/made", *[{"n": n, "id": n} for n in range(20)])
    worker.wait_for("wait", "waiting", 20, 25)


def test_one_event_ends_all_waits_that_it_matches(serve, send):
    worker = serve()
    send("order/made", *[{"n": n, "id": 7} for n in range(250)])
    worker.wait_for("wait", "waiting", 250, 60)
    send("order/paid", {"n": 1, "id": 7})
    worker.wait_for("wait", "completed", 250, 60)
    assert not worker.runs(status="waiting")


def test_a_time_that_is_over_ends_a_wait_with_nothing(serve, send):
    worker = serve()
    send("order/made", {"n": 1, "id": 1, "timeout_ms": 600}, {"n": 2, "id": 2, "timeout_ms": 600_000})
    worker.wait_for("wait", "completed")
    assert outputs(worker) == {1: None}
    (run,) = worker.runs(status="waiting")
    why = worker.ctl("why", run["id"])
    assert why["reason"] == "waiting"
    assert "it waits in step 'paid' for an event 'order/paid' of which is true: async.data.id == event.data.id; its time is over" in why["text"]
    send("order/paid", {"n": 90, "id": 1}, {"n": 91, "id": 2})
    eventually(lambda: outputs(worker).get(2) == {"n": 91, "name": "order/paid", "key": "key-2"})


def test_conditions_of_all_kinds(serve, send):
    worker = serve()
    send("order/made",
         {"n": 1, "id": 1, "when": ""},
         {"n": 2, "id": 2, "when": "async.data.total > 100"},
         {"n": 3, "id": 3, "when": "async.data.id == event.data.id && async.data.total > 100"},
         {"n": 4, "id": 4, "when": "async.data.id == event.data.id || async.data.total == 7"},
         {"n": 5, "id": "5", "when": "event.data.id == async.data.id"},
         {"n": 6, "id": 6, "for": "other", "when": "async.data.gone == event.data.gone"})
    worker.wait_for("wait", "waiting", 6)
    send("order/paid", {"n": 90, "id": 3, "total": 5})
    worker.wait_for("wait", "completed", 1)
    send("order/paid", {"n": 91, "id": 3, "total": 500})
    worker.wait_for("wait", "completed", 3)
    send("order/paid", {"n": 92, "id": 5, "total": 7})
    worker.wait_for("wait", "completed", 4)
    send("order/paid", {"n": 93, "id": "5"})
    worker.wait_for("wait", "completed", 5)
    send("other", {"n": 94})
    worker.wait_for("wait", "completed", 6)
    assert {n: output["n"] for n, output in outputs(worker).items()} == {1: 90, 2: 91, 3: 91, 4: 92, 5: 93, 6: 94}


def test_a_condition_that_is_none_fails_the_run(serve, send):
    worker = serve()
    send("order/made", {"n": 1, "id": 1, "when": "async.data. =="})
    (run,) = worker.wait_for("wait", "failed")
    assert run["error"]["name"] == "InvalidExpression"


def test_one_wait_too_many_without_an_index_fails_its_run(serve, send):
    worker = serve(limits={"waits": 3})
    send("order/made", *[{"n": n, "id": n, "when": "async.data.total > 1"} for n in range(4)])
    (run,) = worker.wait_for("wait", "failed")
    assert run["error"]["name"] == "TooManyWaits"
    send("order/made", {"n": 5, "id": 5}, {"n": 6, "id": 6, "for": "else", "when": ""})
    worker.wait_for("wait", "waiting", 5)


def test_a_run_that_is_retried_waits_and_keeps_what_it_was_given(serve, send):
    worker = serve()
    send("order/made", {"n": 1, "id": 1, "fails": 2, "after_fails": 2, "again": True, "sleep_ms": 100})
    (run,) = worker.wait_for("wait", "waiting")
    send("order/paid", {"n": 90, "id": 1})
    eventually(lambda: any(step["id"] == "paid:1" for step in worker.show(run["id"])["steps"]))
    send("order/paid", {"n": 91, "id": 1})
    worker.wait_for("wait", "completed")
    assert outputs(worker)[1]["n"] == 91


def test_runs_of_one_key_wait_one_after_the_other(serve, send):
    worker = serve()
    send("ordered/made", {"n": 1, "id": 1}, {"n": 2, "id": 1})
    worker.wait_for("ordered", "waiting")
    worker.wait_for("ordered", "queued")
    send("order/paid", {"n": 90, "id": 1})
    worker.wait_for("ordered", "completed", 1)
    worker.wait_for("ordered", "waiting")
    send("order/paid", {"n": 91, "id": 1})
    worker.wait_for("ordered", "completed", 2)
    assert {n: output["n"] for n, output in outputs(worker).items()} == {1: 90, 2: 91}


def test_a_run_that_waits_can_be_cancelled(serve, send, redis):
    worker = serve()
    send("order/made", {"n": 1, "id": 1})
    (run,) = worker.wait_for("wait", "waiting")
    worker.ctl("cancel", run["id"])
    worker.wait_for("wait", "cancelled")
    send("order/paid", {"n": 90, "id": 1})
    eventually(lambda: not redis.cli("KEYS", "*:wait:*") and not redis.cli("KEYS", "*:await:*"))
    assert worker.show(run["id"])["status"] == "cancelled"


def test_a_name_that_another_daemon_reads_is_heard_of_by_it(serve, send, topic):
    """The run's daemon and the event's reader are different ones, and the name is new a moment before its event."""
    workers = [serve() for _ in range(3)]
    eventually(lambda: sum(worker.metrics()["stepd_partitions_assigned"] for worker in workers) == 4)
    for n in range(20):
        send("order/made", {"n": n, "id": n, "for": f"paid/{n}", "when": ["", "async.data.id == event.data.id"][n % 2]})
        eventually(lambda: len(workers[0].runs(status="waiting")) == 1)
        send(f"paid/{n}", {"n": n, "id": n})
        workers[0].wait_for("wait", "completed", n + 1)


def ledger(workers, send, count, disturb, seed):
    """Waits, and their events in random order, from before to after. Each event that was sent once its run was seen to wait
    ends it; those sent before the run was made end none."""
    dice = random.Random(seed)
    early = {n for n in range(count) if dice.random() < 0.1}
    send("order/paid", *[{"n": 10_000 + n, "id": n} for n in sorted(early)])
    send("order/made", *[{"n": n, "id": n} for n in range(count)])
    stop = threading.Event()
    thread = threading.Thread(target=disturb, args=(stop, dice))
    thread.start()
    seen, sent = {}, set()
    try:
        def step():
            try:
                for run in workers[-1].runs(status="waiting"):
                    if run["id"] not in seen:
                        seen[run["id"]] = workers[-1].show(run["id"])["event"]["data"]["n"]
            except AssertionError:
                pass  # Redis is away, or has forgotten it meanwhile
            ready = [n for n in set(seen.values()) - sent if dice.random() < 0.7]
            if ready:
                send("order/paid", *[{"n": n, "id": n} for n in dice.sample(ready, len(ready))])
                sent.update(ready)
            return len(sent) == count
        eventually(step, 240, what=lambda: f"{len(sent)} sent of {count}")
    finally:
        stop.set()
        thread.join()
    workers[-1].wait_for("wait", "completed", count, 120)
    assert {n: output["n"] for n, output in outputs(workers[-1]).items()} == {n: n for n in range(count)}


@pytest.mark.parametrize("seed", [1, 2])
def test_no_event_is_missed_whichever_daemon_is_killed(serve, send, seed):
    workers = [serve() for _ in range(3)]

    def kill(stop, dice):
        while not stop.wait(2):
            victim = dice.choice(workers[:2])
            victim.kill()
            time.sleep(dice.random())
            victim.start()
    ledger(workers, send, 300, kill, seed)


@pytest.mark.parametrize("seed", [3, 4])
def test_no_event_is_missed_though_redis_falls_back_a_second(serve, send, redis, seed):
    workers = [serve() for _ in range(2)]

    def fall_back(stop, dice):
        log, kept = redis.folder / "appendonlydir", redis.folder / "kept"
        for _ in range(2):
            if stop.wait(2 + dice.random()):
                return
            shutil.copytree(log, kept)
            time.sleep(0.9)
            redis.kill()
            shutil.rmtree(log)
            kept.rename(log)
            redis.start()
    ledger(workers, send, 300, fall_back, seed)


# ---- cancel_on ---------------------------------------------------------------------------------------------


@pytest.fixture
def work(kafka, daemon, module, topic, folder):
    """A daemon whose function `work` (modules/flow.c) is cancelled by events."""
    KafkaTool(kafka.address).create(topic, 4)

    def start(*cancels, limits=None, **settings):
        return daemon([module("flow")], topics=[topic], options={"flow": {"file": str(folder / "book")}}, limits=limits or {},
                      functions={"work": {"cancel_on": list(cancels), **settings}}, retry={"jitter": 0, "schedule": ["1h"]},
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"})
    return start


def test_an_event_cancels_the_runs_that_it_matches_whatever_they_do(work, send, kafka, topic):
    worker = work({"event": "order/cancelled", "when": "async.data.id == event.data.id"})
    send("order/cancelled", {"id": 1})  # from before the run's own event
    send("work/go", {"n": 1, "id": 1, "sleep_ms": 3600_000}, {"n": 2, "id": 2, "sleep_ms": 3600_000},
         {"n": 3, "id": 3, "fails": 5}, {"n": 4, "id": 4, "ms": 4000})
    worker.wait_for("work", "sleeping", 2)
    worker.wait_for("work", "delayed")
    worker.wait_for("work", "running")
    send("order/cancelled", {"id": 2}, {"id": 3}, {"id": 4}, {"id": 5})
    runs = worker.wait_for("work", "cancelled", 3)
    assert {run["event"]["data"]["n"] for run in runs} == {2, 3, 4}
    assert [run["event"]["data"]["n"] for run in worker.runs(status="sleeping")] == [1]
    (failing,) = [run for run in runs if run["event"]["data"]["n"] == 3]
    worker.ctl("retry", failing["id"])  # and the same again
    worker.wait_for("work", "delayed")
    send("order/cancelled", {"id": 3})
    worker.wait_for("work", "cancelled", 3)
    eventually(lambda: not worker.runs(status="delayed"))
    told = [json.loads(message["value"]) for message in kafka.consume(topic)]
    assert len([event for event in told if event["name"] == "stepd/function.cancelled"]) == 4


def test_what_is_queued_or_comes_too_late_for_its_event(work, send):
    worker = work({"event": "order/cancelled", "when": "async.data.id == event.data.id && async.data.sure == true", "timeout": "1s"},
                  {"event": "all/cancelled"}, throttle={"limit": 1, "period": "1h"})
    send("work/go", {"n": 1, "id": 1, "sleep_ms": 3600_000}, {"n": 2, "id": 1}, {"n": 3, "id": 1})
    worker.wait_for("work", "sleeping")
    worker.wait_for("work", "queued", 2)
    send("order/cancelled", {"id": 1})
    time.sleep(1.2)
    send("order/cancelled", {"id": 1, "sure": True})
    send("all/cancelled", {})
    worker.wait_for("work", "cancelled", 3)
    eventually(lambda: worker.metrics()["stepd_waits_ended_total"] == 3)


def test_a_run_that_has_ended_leaves_nothing_to_be_cancelled(work, send, redis):
    worker = work({"event": "order/cancelled", "when": "async.data.id == event.data.id"})
    send("work/go", {"n": 1, "id": 1})
    eventually(lambda: worker.metrics()["stepd_runs_completed_total"] == 1)
    eventually(lambda: not redis.cli("KEYS", "*:wait:*") and not redis.cli("KEYS", "*:await:*"))


def test_where_each_living_run_has_to_be_tried_so_many_live_and_the_others_wait(work, send):
    """A condition without an equality: `limits.waits` runs live, until they have ended; all are found by the event."""
    worker = work({"event": "order/cancelled", "when": "async.data.most > event.data.id"}, limits={"waits": 3})
    send("work/go", *[{"n": n, "id": n, "sleep_ms": 3600_000} for n in range(6)])
    worker.wait_for("work", "sleeping", 3)
    queued = worker.wait_for("work", "queued", 3)
    why = worker.ctl("why", queued[0]["id"])
    assert why["reason"] == "concurrency" and "limits.waits" in why["text"], why
    assert len(worker.runs(status="sleeping")) == 3
    ids = sorted(run["event"]["data"]["n"] for run in worker.runs(status="sleeping"))
    send("order/cancelled", {"most": ids[0] + 1})
    eventually(lambda: ids[0] in [run["event"]["data"]["n"] for run in worker.runs(status="cancelled")])
    eventually(lambda: len(worker.runs(status="sleeping")) == 3 or len(worker.runs(status="cancelled")) > 3)
    send("order/cancelled", {"most": 10})
    worker.wait_for("work", "cancelled", 6)


def test_what_is_wrong_with_cancel_on_is_refused(folder, kafka, redis, module, topic):
    import subprocess

    import support
    service = support.Daemon(folder / "refused", kafka, redis, [module("flow")],
                             {"options": {"flow": {"file": "/dev/null"}}, "functions": {"work": {"cancel_on": [{"event": "x", "when": "async.data. =="}]}}})
    done = subprocess.run([support.STEPD, "--check", "--config", service.config], capture_output=True, text=True)
    assert done.returncode == 78 and "'cancel_on.when' is no expression that can be read" in done.stdout + done.stderr


# ---- expects -----------------------------------------------------------------------------------------------


def test_an_answer_that_is_faster_than_its_question_is_taken_and_each_once(serve, send, redis):
    worker = serve()
    send("expects/made", {"n": 1, "id": 1, "sleep_ms": 3000, "again": True}, {"n": 2, "id": 2, "sleep_ms": 3000})
    worker.wait_for("expects", "sleeping", 2)
    send("order/paid", {"n": 90, "id": 1}, {"n": 91, "id": 1}, {"n": 92, "id": 3})
    worker.wait_for("expects", "completed")
    worker.wait_for("expects", "waiting")
    assert outputs(worker)[1]["n"] == 91
    send("order/paid", {"n": 93, "id": 2})
    worker.wait_for("expects", "completed", 2)
    assert outputs(worker)[2]["n"] == 93
    assert not redis.cli("KEYS", "*:kept:*") and not redis.cli("KEYS", "*:await:*")


def test_answers_that_come_while_the_question_is_asked(serve, send):
    """Whether an event comes before its run waits, while it begins to, or after: each is given, in order, and once."""
    worker = serve()
    send("expects/made", *[{"n": n, "id": n, "again": True, "sleep_ms": 2000 + 30 * n} for n in range(30)])
    worker.wait_for("expects", "sleeping", 20)
    send("order/paid", *[{"n": 1000 + n, "id": n} for n in range(30)])
    send("order/paid", *[{"n": 2000 + n, "id": n} for n in range(30)])
    worker.wait_for("expects", "completed", 30, 60)
    assert {n: output["n"] for n, output in outputs(worker).items()} == {n: 2000 + n for n in range(30)}


def test_an_answer_that_is_read_after_its_question_though_it_came_before(serve, send, redis):
    """The daemon that is back has its runs at once, and its partitions when the group forgets who it was."""
    worker = serve(worker={"lease": "500ms"})
    send("expects/made", {"n": 1, "id": 1, "sleep_ms": 1500, "again": True}, {"n": 2, "id": 2, "sleep_ms": 1500})
    worker.wait_for("expects", "sleeping", 2)
    worker.kill()
    send("order/paid", {"n": 90, "id": 1}, {"n": 91, "id": 1}, {"n": 92, "id": 2}, {"n": 93, "id": 3})
    worker.start()
    worker.wait_for("expects", "completed", 2)
    assert {n: output["n"] for n, output in outputs(worker).items()} == {1: 91, 2: 92}
    assert not redis.cli("KEYS", "*:kept:*") and not redis.cli("KEYS", "*:await:*") and not redis.cli("KEYS", "*:wait:*")


def test_of_many_that_are_kept_the_oldest_go(serve, send):
    worker = serve()
    send("expects/made", {"n": 1, "id": 1, "sleep_ms": 4000})
    worker.wait_for("expects", "sleeping")
    send("order/paid", *[{"n": n, "id": 1} for n in range(130)])
    worker.wait_for("expects", "completed")
    assert outputs(worker)[1]["n"] == 30 and "were dropped: a run keeps at most 100" in worker.log()
