# SPDX-License-Identifier: Apache-2.0
"""A Redis user with the rules of docs/security.md: all works with them, each is needed, and what is missing is named."""
import json
import re

import pytest

from proxy import Proxy
from support import ROOT, Daemon, eventually
from trips import Trips

USER, PASSWORD = "stepd", "secret"


class WantsDeclaredKeys(Proxy):
    """A server of the kind that wants to know a script's keys before it runs: it answers each EVAL as such servers do."""

    def __init__(self, redis, says):
        self.says = b"-ERR " + says + b"\r\n"
        super().__init__(int(re.search(r":(\d+)/", redis.url)[1]))
        self.url = f"redis://{self.address}/0"

    def answer_to(self, asked):
        return self.says if re.match(rb"\*\d+\r\n\$4\r\nEVAL\r\n", asked) else None


class AsUser:
    """The URL of a server, with that user in it."""

    def __init__(self, redis):
        self.url = redis.url.replace("redis://", f"redis://{USER}:{PASSWORD}@")


def rules():
    """The words of the page's rule, from the first key on."""
    page = (ROOT / "docs/security.md").read_text()
    words = re.search(r"ACL SETUSER stepd on >PASSWORD (.*?)\n\n", page, re.S)[1].split()
    assert words[:2] == ["~stepd{*", "nocommands"]
    return words


def give(redis, *words):
    assert redis.cli("ACL", "SETUSER", USER, *words) == "OK"


@pytest.fixture
def ruled(redis):
    give(redis, "reset", "on", f">{PASSWORD}", *rules())
    return redis


@pytest.fixture
def serve(ruled, kafka, module, folder, topic):
    """Trips through a daemon of that user."""
    book = folder / "book"
    book.touch()
    settings = {"topics": [topic], "history": "all", "options": {"trip": {"file": str(book)}}}
    daemon = Daemon(folder / "daemon", kafka, AsUser(ruled), [module("trip")], settings)
    yield Trips(kafka, topic, daemon, book)
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.stop()


def denied(redis):
    """What Redis has refused: ACL LOG's objects."""
    return re.findall(r"^object\n(.*)$", redis.cli("ACL", "LOG"), re.M)


def test_all_works_with_the_rules_of_the_page_and_nothing_is_refused(serve, ruled):
    serve.service.start()
    serve.send(50)
    serve.all_end()
    run = serve.service.runs(status="completed")[0]["id"]
    for words in (["runs"], ["show", run], ["why", run], ["stats"], ["functions"]):
        serve.service.ctl(*words)
    assert serve.service.get("/api/runs")[0] == 200
    assert serve.service.stop() == 0
    assert not denied(ruled)


def remedies(service):
    """What doctor says of Redis, once there is something wrong with it."""
    done = service.ctl_run("--json", "doctor")
    assert done.returncode != 0, done.stdout
    return [check["remedy"] for check in json.loads(done.stdout)["checks"] if check["about"] == "redis"]


def test_each_right_is_needed_and_doctor_names_it(serve, ruled):
    rights = [word for word in rules() if word[0] == "+" and word not in ("+multi", "+discard")]
    assert len(rights) > 40
    for right in rights:
        give(ruled, "-" + right[1:])
        assert remedies(serve.service) == [f"ACL SETUSER with the user of redis.url, and: {right}"]
        give(ruled, right)


def test_keys_under_another_prefix_are_named_by_doctor(serve, ruled):
    give(ruled, "resetkeys", "~jobs{*")
    assert remedies(serve.service) == ["ACL SETUSER with the user of redis.url, and: ~stepd{*"]


def test_a_daemon_without_a_right_does_not_start_and_says_what_gives_it(serve, ruled):
    give(ruled, "-zadd", "-info")
    serve.service.launch()
    assert serve.service.process.wait(60) == 78
    assert "Redis's access rules lack what stepd needs: ACL SETUSER stepd +info +zadd" in serve.service.log()


def test_a_right_that_is_taken_away_is_named_and_runs_wait_until_it_is_back(serve, ruled):
    serve.service.start()
    serve.send(5)
    serve.all_end()
    give(ruled, "-setrange")
    serve.send(20)
    eventually(lambda: "ACL SETUSER stepd +setrange" in serve.service.log(), what=serve.say)
    give(ruled, "+setrange")
    serve.all_end()


@pytest.mark.parametrize("says", [
    b"Error running script (call to 5f3a): @user_script:1: script tried accessing undeclared key, key: stepd{0}:rights",
    b"bad lua script for redis cluster, all the keys that the script uses should be passed using the KEYS array",
])
def test_a_server_that_wants_keys_declared_is_refused_at_the_start_and_doctor_says_so(redis, kafka, module, topic, folder, says):
    with WantsDeclaredKeys(redis, says) as strict:
        daemon = Daemon(folder / "strict", kafka, strict, [module("crashing")], {"topics": [topic]})
        daemon.launch()
        assert daemon.process.wait(60) == 78
        assert "it has to allow undeclared keys (docs/platforms.md)" in daemon.log()
        done = daemon.ctl_run("--json", "doctor")
        said = [check for check in json.loads(done.stdout)["checks"] if check["about"] == "redis"]
        assert ["undeclared keys" in check["text"] and "Redis up" not in check["remedy"] for check in said] == [True], done.stdout
