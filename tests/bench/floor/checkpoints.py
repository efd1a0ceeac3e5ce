#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""checkpoints.py PORT COUNT: the daemon's own script, advance.lua, pipelined at one Redis by nobody who waits.

Commands are made before the clock starts: runs of 10 checkpoints of 100 B, as the daemon writes them. What Redis
refuses ends it: an error is no answer.
"""
import hashlib
import json
import re
import socket
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "daemon/redis/scripts"
STEPS = 10
DEPTH = 64  # commands on their way at once, as many as there are workers
OWNER = b"0123456789abcdef"


def command(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def checkpoint(sha, run, step):
    identity = hashlib.sha256(str(run).encode()).hexdigest()[:32]
    body = b"x" * 230 if step == 0 else b""
    return command("EVALSHA", sha, 1, "floor{0}:", identity, "C", 0 if step == 0 else 1, OWNER, OWNER.hex(), "o", 0, 0, 0, 0, step,
                   b"%03d" % step + b"y" * 127, 0, 0, b"", "f", 86400000, 100000, 32 << 20, 5000, "steps", "events:0", run, b"key",
                   0, 1700000000000, body)


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    text = (SCRIPTS / "common.lua").read_text() + (SCRIPTS / "advance.lua").read_text()
    redis = socket.create_connection(("127.0.0.1", port))
    redis.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    redis.sendall(command("SCRIPT", "LOAD", text))
    sha = re.search(rb"[0-9a-f]{40}", redis.recv(4096))[0]
    commands = [checkpoint(sha, run, step) for run in range(count // STEPS) for step in range(STEPS)]
    batches = [b"".join(commands[at:at + DEPTH]) for at in range(0, len(commands), DEPTH)]
    begun = time.monotonic()
    for number, batch in enumerate(batches):
        redis.sendall(batch)
        wanted = min(DEPTH, len(commands) - number * DEPTH)
        while wanted > 0:
            answer = redis.recv(1 << 20)
            wanted -= answer.count(b"*5\r\n")
            if b"-ERR" in answer or b"-NOSCRIPT" in answer:
                sys.exit(answer[:300].decode())
    print(json.dumps({"events": len(commands), "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
