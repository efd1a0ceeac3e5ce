# SPDX-License-Identifier: Apache-2.0
"""The program's side of the protocol: a pool of threads runs sync functions, one loop the async ones. Where all are async, the loop
reads what stepd says as well, on the main thread; else the main thread reads, for a function that blocks the loop is to hold up no other."""
import asyncio
import collections
import contextvars
import json
import logging
import os
import queue
import select
import signal
import sys
import threading
import time
from typing import Any, Callable, Deque, Dict, List, Optional

from ._call import Call, current
from ._declare import Function, declared
from ._errors import Cancelled, Suspended, told
from ._event import event_of
from ._exec import dump, load
from ._step import AsyncStep, Step

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))
_LATE_S = 0.002  # a line of an async function may wait so long for others, to be written with them
_QUIET_S = 0.01  # an async function in which nothing moves for so long waits
_CANCELLED = {"status": "cancelled"}
_READ_SIZE = 262144


class _Stop(BaseException):
    """SIGTERM came while descriptor 3 was read."""


class _Writer:
    """Whoever writes takes along what others have to say."""

    def __init__(self, fd: int):
        self.fd = fd
        self.lines: Deque[str] = collections.deque()
        self.lock = threading.Lock()

    def write(self, line: str) -> None:
        self.lines.append(line)
        self.flush()

    def close(self) -> None:
        """All is written, whoever writes just now."""
        with self.lock:
            self._write_all()

    def flush(self) -> None:
        while self.lines and self.lock.acquire(blocking=False):
            try:
                self._write_all()
            finally:
                self.lock.release()

    def _write_all(self) -> None:
        taken = []
        while self.lines:
            taken.append(self.lines.popleft())
        data = memoryview(("\n".join(taken) + "\n").encode() if taken else b"")
        try:
            while data:
                data = data[os.write(self.fd, data):]
        except BrokenPipeError:
            self.lines.clear()  # stepd is gone: so is whoever would hear this


class _LogHandler(logging.Handler):
    def __init__(self, writer: _Writer):
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
            call = current.get()
            about = f'"call":{call.number},' if call is not None else ""
            self.writer.write(f'{{"type":"log",{about}"level":"{level}","message":{dump(self.format(record))}}}')
        except Exception:
            self.handleError(record)


class _Pool:
    """Threads that are started as they are needed, and stay."""

    def __init__(self, most: int):
        self.most, self.started, self.idle = most, 0, 0
        self.work: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self.lock = threading.Lock()

    def submit(self, code: Any, argument: Any) -> None:
        with self.lock:
            is_short = self.idle <= self.work.qsize() and self.started < self.most
            self.started += is_short
        self.work.put((code, argument))
        if is_short:
            threading.Thread(target=self._run, daemon=True, name="stepd-worker").start()

    def _run(self) -> None:
        while True:
            self.idle += 1
            code, argument = self.work.get()
            self.idle -= 1
            code(argument)


class Server:
    """Speaks on `ask_fd` (reads) and `answer_fd` (writes)."""

    def __init__(self, functions: List[Function], threads: Optional[int], ask_fd: int = 3, answer_fd: int = 4):
        self.functions: Dict[str, Function] = {}
        for function in functions:
            self.functions.setdefault(function.id, function)
        self.listed = functions
        self.threads, self.ask_fd = threads, ask_fd
        self.writer = _Writer(answer_fd)
        self.calls: Dict[int, Call] = {}
        self.waiters: Dict[Any, Any] = {}
        self.pool: Optional[_Pool] = None
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self.begun: "List[Any]" = []  # what one read brought for the loop: calls of async functions,
        self.answered: "List[Any]" = []  # and answers to them
        self.is_flush_due = False  # on the loop
        self.flush_until = 0.0
        self.rest = b""  # what was read of a line that is not whole yet
        self.is_draining = False
        self.is_reading = False
        self.is_refused = False
        self.is_on_loop = all(function.is_all_async for function in functions)

    # ---- reports ----

    def _report(self, call: Call, type: str, id: str, members: str) -> Dict[str, Any]:
        if call.number not in self.calls:
            return _CANCELLED  # its function has returned, and left this step behind
        waiter: "queue.SimpleQueue[Dict[str, Any]]" = queue.SimpleQueue()
        self.waiters[call.number, id] = waiter.put
        if call.is_cancelled:
            return _CANCELLED
        self.writer.write(f'{{"type":"{type}","call":{call.number},"id":{dump(id)},{members}}}')
        return waiter.get()

    def _expect(self, call: Call, id: str) -> "asyncio.Future[Dict[str, Any]]":
        future: "asyncio.Future[Dict[str, Any]]" = asyncio.get_running_loop().create_future()
        self.waiters[call.number, id] = future
        return future

    async def _report_async(self, call: Call, type: str, id: str, members: str) -> Dict[str, Any]:
        if call.number not in self.calls:
            return _CANCELLED
        future = self._expect(call, id)
        self._write_soon(f'{{"type":"{type}","call":{call.number},"id":{dump(id)},{members}}}')
        return await future

    def _write_soon(self, line: str) -> None:
        """On the loop: with all that others have to say in this round of it."""
        self.writer.lines.append(line)
        if not self.is_flush_due:
            self.is_flush_due = True
            self.flush_until = time.monotonic() + _LATE_S
            asyncio.get_running_loop().call_soon(self._flush)
        elif time.monotonic() > self.flush_until:
            self._flush()

    def _flush(self) -> None:
        self.is_flush_due = False
        self.writer.flush()

    def _end(self, call: Call, type: str, members: str = "") -> None:
        line = f'{{"type":"{type}","call":{call.number}{members}}}'
        if call.task is None:
            self.writer.write(line)
        else:
            self._write_soon(line)
        self.calls.pop(call.number, None)
        if self.is_draining and self.is_on_loop:
            self._leave_if_done()

    def _fail(self, call: Call, error: BaseException) -> None:
        self._end(call, "error", f',"error":{dump(told(error))}')

    def _finish(self, call: Call, value: Any) -> None:
        try:
            text = dump(value)
        except Exception as error:
            self._fail(call, error)
        else:
            self._end(call, "output", f',"output":{text}')

    # ---- functions ----

    @staticmethod
    def _code(function: Function, call: Call, line: Dict[str, Any]) -> Any:
        return function.on_failure if line.get("phase") == "on_failure" else function.code

    def _run_sync(self, work: Any) -> None:
        function, call, line = work
        token = current.set(call)
        try:
            value = self._code(function, call, line)(event_of(line), Step(call, self._report))
        except (Suspended, Cancelled):
            self._end(call, "suspend")
        except BaseException as error:
            self._fail(call, error)
        else:
            self._finish(call, value)
        finally:
            current.reset(token)

    async def _run_async(self, function: Function, call: Call, line: Dict[str, Any]) -> None:
        current.set(call)
        stuck = _Stuck(call, self._expect)
        stuck.task = call.task = asyncio.current_task()
        step = AsyncStep(call, self._report_async, stuck.answer_later)
        try:
            if call.is_cancelled:
                raise Cancelled
            value = await self._code(function, call, line)(event_of(line), step)
        except (Suspended, Cancelled):
            self._end(call, "suspend")
        except BaseException as error:
            if stuck.is_over or (call.is_cancelled and isinstance(error, asyncio.CancelledError)):
                self._end(call, "suspend")
            else:
                self._fail(call, error)
        else:
            self._finish(call, value)
        finally:
            for name in stuck.names:
                self.waiters.pop((call.number, name), None)

    def _start_loop(self) -> asyncio.AbstractEventLoop:
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            threading.Thread(target=self.loop.run_forever, daemon=True, name="stepd-loop").start()
        return self.loop

    # ---- what stepd says ----

    def _call(self, line: Dict[str, Any]) -> None:
        call = Call(line)
        self.calls[call.number] = call
        function = self.functions.get(call.function_id)
        if function is None:
            self._end(call, "error", ',"error":{"name":"NoSuchFunction","message":"the program has no such function"}')
            return
        if function.is_on_failure_async if line.get("phase") == "on_failure" else function.is_async:
            self.begun.append((function, call, line))
            return
        if self.pool is None:
            self.pool = _Pool(self.threads or 64)
        self.pool.submit(self._run_sync, (function, call, line))

    def _tell_loop(self) -> None:
        if not self.begun and not self.answered:
            return
        begun, answered = self.begun, self.answered
        self.begun, self.answered = [], []
        if self.is_on_loop:
            self._take_on_loop(begun, answered)
        else:
            self._start_loop().call_soon_threadsafe(self._take_on_loop, begun, answered)

    def _take_on_loop(self, begun: "List[Any]", answered: "List[Any]") -> None:
        for future, answer in answered:
            if not future.done():
                future.set_result(answer)
        for function, call, line in begun:
            asyncio.ensure_future(self._run_async(function, call, line))

    def _give(self, waiter: Any, answer: Dict[str, Any]) -> None:
        if isinstance(waiter, asyncio.Future):
            self.answered.append((waiter, answer))
        elif waiter is not None:
            waiter(answer)

    def _answer(self, line: Dict[str, Any]) -> None:
        waiter, call = self.waiters.pop((line.get("call"), line.get("id")), None), self.calls.get(line.get("call", 0))
        if waiter is None and call is not None:
            call.come[line.get("id", "")] = line
        self._give(waiter, line)

    def _cancel(self, line: Dict[str, Any]) -> None:
        call = self.calls.get(line.get("call", 0))
        if call is None:
            return
        call.is_cancelled = True
        for key in [key for key in list(self.waiters) if key[0] == call.number]:
            self._give(self.waiters.pop(key, None), _CANCELLED)
        if call.task is not None and self.loop is not None:
            self._tell_loop()
            self.loop.call_soon_threadsafe(call.task.cancel)

    def _hear(self, text: bytes) -> None:
        line = load(text)
        type = line.get("type")
        if type == "call":
            self._call(line)
        elif type == "answer":
            self._answer(line)
        elif type == "cancel":
            self._cancel(line)
        elif type == "welcome":
            self.threads = self.threads or line.get("in_flight", 64)
            for refused in line.get("refused", ()):
                print(f"stepd: {refused['reason']}", file=sys.stderr)
        elif type == "refused":
            print(f"stepd refuses the program: {line.get('reason')}", file=sys.stderr)
            self.is_refused = True
        elif type == "drain":
            self.is_draining = True

    def _hear_all(self, got: bytes) -> None:
        lines = (self.rest + got).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            if line:
                self._hear(line)
        self._tell_loop()

    # ---- the main thread reads ----

    def _hello(self) -> None:
        functions = [function.hello() for function in self.listed]
        self.writer.write(dump({"type": "hello", "protocol": 1, "client": f"python {sys.version_info[0]}.{sys.version_info[1]}",
                                "functions": functions}))

    def _read(self) -> bytes:
        """b"" at the end; while it drains, it looks now and then whether all calls have ended."""
        while self.is_draining:
            if not self.calls:
                return b""
            if select.select([self.ask_fd], [], [], 0.02)[0]:
                break
        try:
            self.is_reading = True
            got = os.read(self.ask_fd, _READ_SIZE)
            self.is_reading = False
            return got
        except _Stop:
            self.is_draining, self.is_reading = True, False
            return self._read()

    def _stop(self, number: int, frame: Any) -> None:
        if self.is_reading and not self.is_draining:
            raise _Stop
        self.is_draining = True

    def _read_all(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._stop)
        while True:
            got = self._read()
            if not got:
                break
            self._hear_all(got)

    # ---- the loop reads ----

    def _leave_if_done(self) -> None:
        if self.is_draining and not self.calls and self.loop is not None:
            self.loop.stop()

    def _drain_on_loop(self) -> None:
        self.is_draining = True
        self._leave_if_done()

    def _read_on_loop(self) -> None:
        got = os.read(self.ask_fd, _READ_SIZE)
        if got:
            self._hear_all(got)
            self._leave_if_done()
        elif self.loop is not None:
            self.loop.stop()

    def _run_loop(self) -> None:
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.add_reader(self.ask_fd, self._read_on_loop)
        if threading.current_thread() is threading.main_thread():
            self.loop.add_signal_handler(signal.SIGTERM, self._drain_on_loop)
        self.loop.run_forever()

    def run(self) -> None:
        self._hello()
        if self.is_on_loop:
            self._run_loop()
        else:
            self._read_all()
        if self.is_draining:
            self.writer.lines.append('{"type":"bye"}')
            self.writer.close()


class _Stuck:
    """Finds out that nothing of an async function can go on, since each of its branches waits."""

    def __init__(self, call: Call, expect: "Callable[[Call, str], asyncio.Future[Dict[str, Any]]]"):
        self.call, self.expect, self.task, self.is_over = call, expect, None, False  # type: ignore[var-annotated]
        self.names: "set[str]" = set()  # branches that went no further,
        self.count = 0  # … and do not yet

    async def answer_later(self, name: str) -> Dict[str, Any]:
        """Of a wait or an invoke that ends while other branches are under way; else the call ends first."""
        self._look()
        self.names.add(name)
        self.count += 1
        answered = self.expect(self.call, name)
        answer = self.call.come.pop(name, None) or await answered
        self.count -= 1
        return answer

    def _look(self) -> None:
        asyncio.get_running_loop().call_later(_QUIET_S, self._end)

    def _end(self) -> None:
        if self.task is None or self.task.done() or self.count == 0:
            return
        if self.call.open_count > 0:
            self._look()
            return
        self.is_over = True
        self.task.cancel()


def serve(threads: Optional[int] = None) -> None:
    """Runs the functions that the program declared, until stepd ends it. `threads`: for sync functions, at once."""
    if "STEPD_PROGRAM" not in os.environ:
        print(f"stepd.serve(): this program is started by stepd: stepd dev --program 'python3 {sys.argv[0]}'", file=sys.stderr)
        sys.exit(2)
    if not declared:
        print("stepd.serve(): the program declares no function: @stepd.function(event=…) stands above one", file=sys.stderr)
    os.set_inheritable(3, False)
    os.set_inheritable(4, False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    server = Server(declared, threads)
    root = logging.getLogger()
    if not root.handlers:
        root.setLevel(logging.INFO)
    root.addHandler(_LogHandler(server.writer))
    server.run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
