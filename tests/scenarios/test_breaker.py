# SPDX-License-Identifier: Apache-2.0
"""A function's breaker (docs/flow.md): what an outage costs, through real Kafka and Redis, with several daemons."""
import time

import pytest

from support import eventually
from test_flow import Book, book, metric, send, serve  # noqa: F401 (fixtures)


@pytest.fixture
def outage(folder):
    """While the file is there the module's attempts fail."""
    class Outage:
        path = folder / "down"

        def begin(self):
            self.path.touch()

        def end(self):
            self.path.unlink()
    outage = Outage()
    outage.begin()
    return outage


BREAKER = {"breaker": {"failures": 3, "window": "1m", "pause": "4s"}, "retries": 20, "schedule": ["300ms"]}


def down(outage, numbers, **more):
    return [{"n": n, "down": str(outage.path), **more} for n in numbers]


def test_while_a_breaker_is_open_no_attempt_begins_in_any_daemon_and_then_one_does(serve, send, book, outage):
    workers = [serve(BREAKER), serve(BREAKER), serve(BREAKER)]
    send(down(outage, range(12)))
    eventually(lambda: all(metric(worker, "stepd_breaker_open", function="work") == 1 for worker in workers))
    opened = sorted(book.times())[2]
    time.sleep(1.2)
    send(down(outage, range(20, 30)))
    eventually(lambda: workers[0].ctl("stats")["queued"] == 22)
    eventually(lambda: any(ms > opened + 3900 for ms in book.times()))
    time.sleep(1.5)  # one alone tries, and fails
    late = [ms for ms in book.times() if ms > opened + 1100]
    assert len(late) == 1 and late[0] >= opened + 3900, (opened, sorted(book.times()))
    outage.end()
    eventually(lambda: len({n for n, _, _ in book.entries("end")}) == 22 and workers[0].ctl("stats")["queued"] == 0)
    eventually(lambda: all(metric(worker, "stepd_breaker_open", function="work") == 0 for worker in workers))
    assert sorted(book.times())[len(late):][0] <= late[0]
    assert workers[0].runs(function="work", status="failed") == []


def test_a_held_run_uses_no_attempt_and_says_what_holds_it(serve, send, book, outage):
    worker = serve({**BREAKER, "breaker": {"failures": 1, "window": "1m", "pause": "9s", "key": "event.data.host"}, "retries": 1})
    send(down(outage, [1], host="a"))
    eventually(lambda: metric(worker, "stepd_breaker_open", function="work") == 1)
    send(down(outage, [2], host="a") + [{"n": 3, "host": "b"}])
    eventually(lambda: 3 in book.begun(), 3)
    queued = worker.wait_for("work", "queued", 2)
    whys = [worker.ctl("why", run["id"]) for run in queued]
    assert {(why["reason"], why["key"]) for why in whys} == {("breaker", "a")} and {why["place"] for why in whys} == {1, 2}, whys
    outage.end()
    eventually(lambda: {1, 2} <= {n for n, _, _ in book.entries("end")} and worker.ctl("stats")["queued"] == 0)
    assert sorted(book.begun()) == [1, 1, 2, 3]
    assert worker.runs(function="work", status="failed") == []


def test_an_error_that_is_for_good_opens_no_breaker_and_closes_one(serve, send, book, outage):
    worker = serve({"breaker": {"failures": 2, "window": "1m", "pause": "2s"}, "retries": 0})
    send(down(outage, range(4), for_good=1))
    worker.wait_for("work", "failed", 4)
    time.sleep(0.6)
    assert metric(worker, "stepd_breaker_open", function="work") == 0
    send(down(outage, range(10, 12)))
    eventually(lambda: metric(worker, "stepd_breaker_open", function="work") == 1)
    send(down(outage, [20], for_good=1) + [{"n": 21}])
    worker.wait_for("work", "failed", 7)
    eventually(lambda: metric(worker, "stepd_breaker_open", function="work") == 0)
    eventually(lambda: 21 in book.begun())


def test_a_breaker_of_a_function_in_line_holds_it_there(serve, send, book, outage):
    worker = serve({**BREAKER, "breaker": {"failures": 2, "window": "1m", "pause": "3s"}, "concurrency_limits": [{"limit": 1}]})
    send(down(outage, range(6)))
    eventually(lambda: metric(worker, "stepd_breaker_open", function="work") == 1)
    time.sleep(0.5)
    assert len(book.begun()) in (2, 3)  # one may begin within the second in which it opens
    outage.end()
    eventually(lambda: len({n for n, _, _ in book.entries("end")}) == 6 and worker.ctl("stats")["queued"] == 0)
    times = sorted(book.times())
    assert max(later - earlier for earlier, later in zip(times[1:3], times[2:4])) >= 2900


def test_a_run_that_tries_alone_and_dies_with_its_daemon_leaves_the_try_to_another(serve, send, book, outage):
    settings = {**BREAKER, "breaker": {"failures": 1, "window": "1m", "pause": "1s"}}
    first, second = serve(settings), serve(settings)
    send(down(outage, [1]))
    eventually(lambda: metric(first, "stepd_breaker_open", function="work") == 1)
    send([{"n": n, "ms": 3000} for n in range(2, 5)])
    eventually(lambda: len(book.begun()) >= 2)
    outage.end()
    begun = max(book.entries("begin"), key=lambda entry: entry[1])
    (first if begun[2] == first.process.pid else second).kill()
    eventually(lambda: {n for n, _, _ in book.entries("end")} == {1, 2, 3, 4}, 60)
