# SPDX-License-Identifier: Apache-2.0
"""The client on a fake host: pipes that this test speaks on as stepd does."""
import asyncio
import json
import logging
import os
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import stepd  # noqa: E402
from stepd._declare import declared  # noqa: E402
from stepd._serve import Server, _LogHandler  # noqa: E402


def declare(code, **settings):
    stepd.function(**{"event": "e", **settings})(code)
    return declared.pop()


HOSTS = []  # they live as long as the tests


class Host:
    """Serves the functions on a thread of its own."""

    def __init__(self, *functions, threads=None):
        ask, self.write_fd = os.pipe()
        self.read_fd, answer = os.pipe()
        self.server = Server(list(functions), threads, ask, answer)
        self.lines = os.fdopen(self.read_fd, encoding="utf-8")
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        self.hello = self.hear()
        HOSTS.append(self)

    def hear(self):
        return json.loads(self.lines.readline())

    def say(self, **line):
        os.write(self.write_fd, (json.dumps(line) + "\n").encode())

    def call(self, number=1, function=None, data=None, **more):
        self.say(type="call", call=number, function=function or self.hello["functions"][0]["id"], run_id="r" * 32, attempt=0, max_attempts=5,
                 phase="function", **{"event": {"name": "e", "id": "1", "data": data, "ts": 1000}, "steps": [], "attempts": {}, "later": [], **more})
        return self.hear()

    def answer(self, line, status="ok", **more):
        self.say(type="answer", call=line["call"], id=line["id"], status=status, **more)
        return self.hear()


class TestHello(unittest.TestCase):
    def test_tells_functions_and_their_settings(self):
        def resize(event, step):
            return None
        host = Host(declare(resize, event="image/uploaded", retries=8, timeout="5s", schedule=[1, "1m30s"],
                            rate_limit={"limit": 2, "period": "1h", "key": "event.data.user"}))
        (told,) = host.hello["functions"]
        self.assertEqual(told["id"], "resize")
        self.assertEqual(told["timeout"], "5000ms")
        self.assertEqual(told["schedule"], ["1000ms", "90000ms"])
        self.assertEqual(told["rate_limit"], {"limit": 2, "period": "3600000ms", "key": "event.data.user"})
        self.assertRegex(told["place"], r"test_client.py:\d+$")

    def test_backoff_is_another_word_for_schedule(self):
        told = declare(lambda event, step: None, id="f", backoff=["1s", 5]).hello()
        self.assertEqual(told["schedule"], ["1000ms", "5000ms"])
        self.assertNotIn("backoff", told)
        with self.assertRaisesRegex(TypeError, "backoff is another word for schedule"):
            declare(lambda event, step: None, id="f", schedule=["1s"], backoff=["1s"])
        with self.assertRaisesRegex(TypeError, "backoff is a list of durations"):
            declare(lambda event, step: None, id="f", backoff="1s")

    def test_settings_are_checked_where_they_are_written(self):
        for wrong in ({"retrys": 1}, {"event": "e", "retries": -1}, {"event": "e", "retries": "2"}, {"event": "e", "timeout": "5 parsecs"},
                      {"event": "e", "rate_limit": {"limits": 1}}, {"event": "e", "rate_limit": {"period": 1}}, {"event": "e", "topic": "t"},
                      {}, {"event": []}, {"event": "e", "ordering": "key"}, {"event": "e", "schedule": "1s"}):
            with self.subTest(wrong), self.assertRaises((TypeError, ValueError)):
                stepd.function(**wrong)(lambda event, step: None)


class TestSync(unittest.TestCase):
    def test_a_step_is_reported_before_the_function_goes_on(self):
        host = Host(declare(lambda event, step: [step.run("a", lambda: event.data + 1), step.run("a", lambda: 7)], id="f"))
        line = host.call(data=1)
        self.assertEqual({key: line[key] for key in ("type", "id", "result")}, {"type": "step", "id": "a", "result": 2})
        line = host.answer(line)
        self.assertEqual((line["id"], line["result"]), ("a:1", 7))
        self.assertEqual(host.answer(line), {"type": "output", "call": 1, "output": [2, 7]})

    def test_a_finished_step_does_not_run_again(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: 1 / 0), id="f"))
        self.assertEqual(host.call(steps=[{"id": "a", "result": 5}]), {"type": "output", "call": 1, "output": 5})

    def test_a_suspension_is_no_exception(self):
        def careless(event, step):
            try:
                step.sleep("nap", "5s")
            except Exception:
                return "caught"
        host = Host(declare(careless))
        line = host.call()
        self.assertEqual((line["type"], line["ms"]), ("sleep", 5000))
        self.assertEqual(host.answer(line, "later"), {"type": "suspend", "call": 1})
        self.assertEqual(host.call(2, later=["nap"]), {"type": "suspend", "call": 2})

    def test_a_step_that_failed_for_good_can_be_handled(self):
        def handles(event, step):
            try:
                step.run("a", lambda: [][1])
            except stepd.StepError as error:
                return [error.name, error.message, error.step_id]
        host = Host(declare(handles))
        line = host.call()
        self.assertEqual(line["error"]["name"], "IndexError")
        self.assertIn("test_client.py", line["error"]["message"])
        done = host.answer(line, "failed", error=line["error"])
        self.assertEqual(done["output"], ["IndexError", "list index out of range", "a"])

    def test_an_unhandled_one_names_its_step(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: [][1]), id="f"))
        line = host.call()
        done = host.answer(line, "failed", error={"name": "IndexError", "message": "m"})
        self.assertEqual((done["type"], done["error"]["step_id"], done["error"]["name"]), ("error", "a", "IndexError"))

    def test_errors_say_whether_and_when_to_retry(self):
        def fails(event, step):
            raise {"never": stepd.NonRetriable("no"), "later": stepd.RetryAfter("5s", "busy")}[event.data]
        host = Host(declare(fails))
        self.assertFalse(host.call(data="never")["error"]["retriable"])
        self.assertEqual(host.call(2, data="later")["error"]["retry_after_ms"], 5000)

    def test_steps_do_not_nest(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: step.run("b", lambda: 1)), id="f"))
        line = host.call()
        self.assertEqual((line["id"], line["error"]["name"], line["error"]["retriable"]), ("a", "NestedStep", False))

    def test_parallel_steps_are_beside_each_other(self):
        host = Host(declare(lambda event, step: step.parallel({"a": lambda: 1, "b": lambda: 2}), id="f"))
        first, second = host.call(), host.hear()
        self.assertTrue(first["beside"] and second["beside"])
        self.assertEqual({first["id"], second["id"]}, {"a", "b"})
        host.say(type="answer", call=1, id=first["id"], status="ok")
        self.assertEqual(host.answer(second)["output"], [1, 2])

    def test_values_are_as_json_holds_them(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: {1: (float("nan"), "\ud800", b"x", 2 ** 70)}), id="f"))
        line = host.call()
        done = host.answer(line)
        self.assertEqual(done["output"], {"1": [None, "\ufffd", "eA==", 2 ** 70]})

    def test_what_json_has_not_is_the_steps_error(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: object()), id="f"))
        self.assertEqual(host.call()["error"]["name"], "TypeError")

    def test_cancel_reaches_a_step_that_waits(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: 1), id="f"))
        host.call()
        host.say(type="cancel", call=1, reason="timeout")
        self.assertEqual(host.hear(), {"type": "suspend", "call": 1})

    def test_drain_ends_with_bye(self):
        host = Host(declare(lambda event, step: step.run("a", lambda: 1), id="f"))
        line = host.call()
        host.say(type="drain")
        self.assertEqual(host.answer(line)["type"], "output")
        self.assertEqual(host.hear(), {"type": "bye"})
        host.thread.join(10)
        self.assertFalse(host.thread.is_alive())

    def test_logging_goes_to_the_run(self):
        def logs(event, step):
            logging.getLogger("mine").warning("careful %s", 1)
        host = Host(declare(logs))
        handler = _LogHandler(host.server.writer)
        logging.getLogger("mine").addHandler(handler)
        self.assertEqual(host.call(), {"type": "log", "call": 1, "level": "warn", "message": "careful 1"})
        logging.getLogger("mine").removeHandler(handler)


class TestAsync(unittest.TestCase):
    def test_gathered_steps_run_beside_each_other(self):
        async def both(event, step):
            return await asyncio.gather(step.run("a", lambda: 1), step.run("b", lambda: asyncio.sleep(0, 2)))
        host = Host(declare(both))
        lines = [host.call(), host.hear()]
        self.assertEqual({line["id"] for line in lines}, {"a", "b"})
        host.say(type="answer", call=1, id=lines[0]["id"], status="ok")
        self.assertEqual(host.answer(lines[1])["output"], [1, 2])

    def test_one_branch_waits_and_the_other_goes_on(self):
        async def both(event, step):
            async def second():
                await step.run("b", lambda: 1)
                return await step.run("c", lambda: 2)
            return await asyncio.gather(step.sleep("nap", 5), second())
        host = Host(declare(both))
        line = host.call(later=["nap"])
        line = host.answer(line)
        self.assertEqual(line["id"], "c")
        self.assertEqual(host.answer(line), {"type": "suspend", "call": 1})

    def see_what_comes_while_a_step_is_under_way(self, later):
        async def first(event, step):
            slow = asyncio.ensure_future(step.run("slow", lambda: asyncio.sleep(30)))
            paid = asyncio.ensure_future(step.wait("paid", event="order/paid"))
            await asyncio.wait([slow, paid], return_when=asyncio.FIRST_COMPLETED)
            slow.cancel()
            return paid.result() and paid.result().data
        host = Host(declare(first))
        if later:
            host.say(type="call", call=1, function="first", run_id="r" * 32, attempt=0, max_attempts=5, phase="function",
                     event={"name": "e", "id": "1", "data": None, "ts": 1000}, steps=[], attempts={}, later=["paid"])
        else:
            host.call()
            host.say(type="answer", call=1, id="paid", status="later")
        host.say(type="answer", call=1, id="paid", status="ok", result={"name": "order/paid", "data": 7, "ts": 1000, "id": "2"})
        self.assertEqual(host.hear(), {"type": "output", "call": 1, "output": 7})

    def test_a_wait_that_ends_while_a_step_is_under_way_goes_on_at_once(self):
        self.see_what_comes_while_a_step_is_under_way(later=False)

    def test_a_wait_of_an_earlier_call_does_so_too(self):
        self.see_what_comes_while_a_step_is_under_way(later=True)

    def test_one_that_exits_fails_its_own_call_alone(self):
        async def leaves(event, step):
            if event.data:
                sys.exit(3)
            return "well"
        host = Host(declare(leaves))
        self.assertEqual(host.call(data=True)["error"]["name"], "SystemExit")
        self.assertEqual(host.call(2)["output"], "well")

    def test_all_that_one_read_brings_is_begun(self):
        async def echo(event, step):
            return event.data
        host = Host(declare(echo))
        calls = [{"type": "call", "call": number, "function": "echo", "run_id": "r" * 32, "event": {"name": "e", "data": number}}
                 for number in range(1, 101)]
        os.write(host.write_fd, "".join(json.dumps(call) + "\n" for call in calls).encode())
        self.assertEqual(sorted(host.hear()["output"] for _ in calls), list(range(1, 101)))

    def test_one_that_is_cancelled_before_it_began_does_not_begin(self):
        async def works(event, step):
            return 1
        host = Host(declare(works))
        call = {"type": "call", "call": 1, "function": "works", "run_id": "r" * 32, "event": {"name": "e"}}
        os.write(host.write_fd, "".join(json.dumps(line) + "\n" for line in (call, {"type": "cancel", "call": 1})).encode())
        self.assertEqual(host.hear(), {"type": "suspend", "call": 1})

    def test_cancel_reaches_it(self):
        seen = threading.Event()

        async def waits(event, step):
            try:
                await step.run("a", lambda: asyncio.sleep(60))
            finally:
                seen.set()
        host = Host(declare(waits))
        host.say(type="call", call=1, function="waits", run_id="r", attempt=0, event={"name": "e"}, steps=[])
        while not getattr(host.server.calls.get(1), "task", None):
            pass
        host.say(type="cancel", call=1, reason="cancelled")
        self.assertEqual(host.hear(), {"type": "suspend", "call": 1})
        self.assertTrue(seen.wait(10))


class TestTesting(unittest.TestCase):
    def test_jumps_over_retries_and_sleeps(self):
        tries = []

        def flaky(event, step):
            def fetch():
                tries.append(1)
                if len(tries) < 3:
                    raise stepd.RetryAfter("7s", "busy")
                return event.data["url"]
            url = step.run("fetch", fetch)
            step.sleep("settle", "5s")
            step.send("tell", "image/settled", {"url": url})
            return step.parallel({"a": lambda: 1, "b": lambda: 2})
        run = stepd.testing.run(declare(flaky), {"url": "u"})
        self.assertEqual((run.result, run.error, run.delays), ([1, 2], None, [7.0, 7.0, 5.0]))
        self.assertEqual(run.steps["fetch"], "u")
        self.assertEqual(run.sent, [{"name": "image/settled", "data": {"url": "u"}}])

    def test_an_error_for_good(self):
        run = stepd.testing.run(declare(lambda event, step: step.run("a", lambda: 1 / 0), id="f", retries=1))
        self.assertEqual((run.error.name, run.error.step_id, run.status), ("ZeroDivisionError", "a", "failed"))

    def test_waits_and_invokes_are_given(self):
        def waits(event, step):
            paid = step.wait("paid", event="order/paid", timeout="1h")
            return [paid and paid.data, step.invoke("bill", "bill", {"n": 2})]
        made = declare(waits)
        self.assertEqual(stepd.testing.run(made, waits={"paid": {"id": 4}}, invokes={"bill": lambda data: data["n"] + 1}).result[1], 3)
        self.assertEqual(stepd.testing.run(made, invokes={"bill": 1}).result, [None, 1])

    def test_the_usual_schedule_is_the_daemons(self):
        def fails(event, step):
            raise ValueError
        run = stepd.testing.run(declare(fails, retries=11))
        self.assertEqual(run.delays, [15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200, 7200])

    def test_an_error_has_the_retries_that_on_error_gives_it(self):
        def fails(event, step):
            raise ValueError
        on_error = [{"error": "Value*", "retries": 3, "backoff": ["1s", "2s"]}, {"error": "ValueError", "retries": 9}]
        self.assertEqual(stepd.testing.run(declare(fails, retries=1, on_error=on_error)).delays, [1, 2, 2])
        self.assertEqual(stepd.testing.run(declare(fails, retries=1, backoff=["7s"], on_error=[{"error": "ValueError"}])).delays, [7])
        self.assertEqual(stepd.testing.run(declare(fails, on_error=[{"error": "ValueError", "retries": 0}])).delays, [])
        in_step = declare(lambda event, step: step.run("a", lambda: 1 / 0), id="f", on_error=[{"error": "Zero*", "retries": 2, "backoff": "9s"}])
        self.assertEqual(stepd.testing.run(in_step).delays, [9, 9])

    def test_values_are_as_json_holds_them_in_the_first_attempt_too(self):
        seen = []

        def values(event, step):
            seen.append(step.run("a", lambda: [float("nan"), {"b": float("inf")}]))
            step.send("tell", "e", float("nan"))
            if step.attempt == 0:
                raise ValueError
            return step.invoke("i", "other", float("-inf"))
        run = stepd.testing.run(declare(values), invokes={"i": lambda data: [data]})
        self.assertEqual(seen, [[None, {"b": None}]] * 2)
        self.assertEqual((run.steps["a"], run.sent[0]["data"], run.result), ([None, {"b": None}], None, [None]))

    def test_a_batch_is_given_as_events(self):
        run = stepd.testing.run(declare(lambda event, step: [event.data, [each.data for each in event.events]], id="f"), events=[{"data": 1}, 2])
        self.assertEqual(run.result, [1, [1, 2]])

    def test_on_failure_is_called_after_a_run_failed(self):
        def fails(event, step):
            step.run("a", lambda: 1 / 0)

        def mourn(event, step):
            if not mourned:
                mourned.append(step.attempt)
                raise KeyError
            mourned.append((step.attempt, step.failure.name, step.failure.step_id, step.run("tell", lambda: event.data)))
        mourned = []
        run = stepd.testing.run(declare(fails, retries=1, backoff=["1s"], on_failure=mourn), {"n": 1})
        self.assertEqual(mourned, [0, (1, "ZeroDivisionError", "a", {"n": 1})])
        self.assertEqual((run.status, run.error.name, run.on_failure_error, run.delays), ("failed", "ZeroDivisionError", None, [1, 1]))

        def fails_too(event, step):
            raise stepd.NonRetriable("too")
        run = stepd.testing.run(declare(fails, retries=0, on_failure=fails_too))
        self.assertEqual((run.error.name, run.on_failure_error.name), ("ZeroDivisionError", "NonRetriable"))

    def test_a_wait_that_nothing_ends_is_an_error(self):
        run = stepd.testing.run(declare(lambda event, step: step.wait("paid", event="order/paid"), id="f"))
        self.assertRegex(run.error.message, "nothing ends the wait paid")

    def test_async_functions(self):
        async def both(event, step):
            await step.sleep("nap", 1)
            return await step.parallel({"a": lambda: 1, "b": lambda: 2})
        self.assertEqual(stepd.testing.run(declare(both)).result, [1, 2])


if __name__ == "__main__":
    unittest.main()
