# SPDX-License-Identifier: Apache-2.0
"""Groups of the consumer protocol (KIP-848), with the newest librdkafka; and how a group's offsets come into another."""
import pytest

from support import KafkaTool, eventually
from test_check import check

CONSUMER = {"group.protocol": "consumer"}


@pytest.fixture
def ledgers(kafka, daemon, module, topic, folder):
    """Makes daemons whose function books what it worked on: make(GROUP, env=…, **kafka settings), and what is booked."""
    def make(group=topic, env=None, **more):
        settings = {"topics": [topic], "options": {"ledger": {"file": str(folder / "book")}}, "worker": {"threads": 4, "drain_timeout": "2s"},
                    "kafka": {"bootstrap.servers": kafka.address, "group.id": group, "auto.offset.reset": "earliest", **more}}
        return daemon([module("ledger")], env, **settings)

    def booked():
        return sorted(int(line.split()[0]) for line in (folder / "book").read_text().splitlines()) if (folder / "book").exists() else []
    make.booked = booked
    return make


def send(kafka, topic, numbers):
    kafka.produce_lines((f'{n}\t{{"name":"ledger/post","data":{{"number":{n}}}}}' for n in numbers), topic)


def numbers(first, count):
    """None of them fails, as every tenth of the ledger's would."""
    return [first + n * 10 + 1 for n in range(count)]


def wait_booked(ledgers, expected, *services, seconds=40):
    eventually(lambda: set(ledgers.booked()) >= set(expected), seconds,
               what=lambda: f"missing {sorted(set(expected) - set(ledgers.booked()))[:20]}\n" + "\n".join(each.log()[-2000:] for each in services))


# ---- what is refused before anything is joined ---------------------------------------------------------


def test_an_older_librdkafka_is_refused_by_name(tmp_path):
    done = check(tmp_path, CONSUMER)
    if done.returncode == 0:
        pytest.skip("this system's librdkafka has the protocol")
    faults = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert done.returncode == 78 and len(faults) == 1, done.stderr
    assert "'group.protocol: consumer' wants librdkafka 2.12 or newer" in faults[0] and faults[0].startswith(f"{tmp_path}/stepd.yaml:3:")


def test_the_classic_protocol_may_be_named_whatever_librdkafka_is_there(tmp_path, newest_librdkafka):
    for env in ({}, newest_librdkafka):
        done = check(tmp_path, {"group.protocol": "classic", "group.instance.id": "a"}, env)
        assert (done.returncode, done.stderr) == (0, "")


def test_settings_that_do_not_go_with_it_are_refused_at_their_places(tmp_path, newest_librdkafka):
    wrong = {"session.timeout.ms": "9000", "heartbeat.interval.ms": "1000", "group.instance.id": "a", "partition.assignment.strategy": "range"}
    done = check(tmp_path, {**CONSUMER, **wrong}, newest_librdkafka)
    faults = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert done.returncode == 78 and len(faults) == len(wrong), done.stderr
    for line, name in enumerate(wrong, 4):
        assert any(f"'{name}'" in fault and f"stepd.yaml:{line}:" in fault for fault in faults), (name, faults)
    assert check(tmp_path, {**CONSUMER, "group.remote.assignor": "uniform"}, newest_librdkafka).returncode == 0


def test_a_group_with_classic_members_is_not_joined_and_the_way_is_said(kafka, ledgers, topic, newest_librdkafka):
    KafkaTool(kafka.address).create(topic, 4)
    send(kafka, topic, numbers(0, 50))
    old = [ledgers(), ledgers()]  # two, so that cooperative-sticky has rebalanced it
    wait_booked(ledgers, numbers(0, 50), *old)
    with pytest.raises(AssertionError) as ended:
        ledgers(env=newest_librdkafka, **CONSUMER)
    refused = next(line for line in str(ended.value).splitlines() if "members of the classic protocol" in line)
    assert topic in refused and "stepctl offsets copy" in refused
    send(kafka, topic, numbers(1000, 50))
    wait_booked(ledgers, numbers(1000, 50), *old)  # who was in it has seen nothing of it
    assert [each.stop() for each in old] == [0, 0]
    new = ledgers(env=newest_librdkafka, **CONSUMER)
    send(kafka, topic, numbers(2000, 50))
    wait_booked(ledgers, numbers(2000, 50), new)
    assert len(ledgers.booked()) == len(set(ledgers.booked())) == 150


# ---- what it does -------------------------------------------------------------------------------------


def test_daemons_share_the_work_and_what_a_killed_one_had_goes_on(kafka, ledgers, topic, newest_librdkafka):
    KafkaTool(kafka.address).create(topic, 4)
    services = [ledgers(env=newest_librdkafka, **CONSUMER) for _ in range(2)]
    assert "group.consumer.session.timeout.ms" in services[0].log(), "what it can't promise is said at the start"
    eventually(lambda: [each.metrics()["stepd_partitions_assigned"] for each in services] == [2, 2], what=services[0].log)
    send(kafka, topic, numbers(0, 100))
    wait_booked(ledgers, numbers(0, 100), *services)
    services[0].kill()
    send(kafka, topic, numbers(10000, 100))
    wait_booked(ledgers, numbers(10000, 100), services[1], seconds=60)
    third = ledgers(env=newest_librdkafka, **CONSUMER)
    eventually(lambda: third.metrics()["stepd_partitions_assigned"] == 2, what=third.log)
    send(kafka, topic, numbers(20000, 100))
    wait_booked(ledgers, numbers(20000, 100), third)
    assert [each.stop() for each in (services[1], third)] == [0, 0]
    offsets = KafkaTool(kafka.address).offsets(topic, topic)
    assert sum(offset for offset in offsets.values()) == 300, offsets


def test_doctor_tells_how_long_a_killed_daemons_events_wait(ledgers, newest_librdkafka):
    service = ledgers(env=newest_librdkafka, **CONSUMER)
    said = [check["text"] for check in service.ctl("doctor")["checks"] if "group.protocol" in check["text"]]
    assert len(said) == 1 and " 6 s (group.consumer.session.timeout.ms" in said[0] and "group.consumer.min.session.timeout.ms" in said[0]


# ---- offsets for another group ------------------------------------------------------------------------


def test_offsets_come_into_another_group_with_what_is_done_above_them(kafka, ledgers, topic, newest_librdkafka):
    tool = KafkaTool(kafka.address)
    tool.create(topic, 2)
    send(kafka, topic, numbers(0, 100))
    old = ledgers()
    wait_booked(ledgers, numbers(0, 100), old)
    words = "offsets", "copy", "--from", topic, "--to", f"{topic}-new"
    busy = old.ctl_run(*words)
    assert busy.returncode == 1 and f"group {topic} has 1 member: stop its daemons first" in busy.stderr
    assert old.stop() == 0
    tool("commit", topic, topic, 0, 1, "what is done above it")
    assert old.ctl(*words, "--dry-run") == {"dry_run": True, "copied": 0, "offsets": old.ctl(*words, "--dry-run")["offsets"]}
    assert old.ctl(*words)["copied"] == 2
    assert tool.committed(f"{topic}-new", topic) == tool.committed(topic, topic)
    again = old.ctl_run(*words)
    assert again.returncode == 1 and f"group {topic}-new has offsets of its own" in again.stderr
    nothing = old.ctl_run("offsets", "copy", "--from", f"{topic}-other", "--to", f"{topic}-third")
    assert nothing.returncode == 3 and "has committed no offset" in nothing.stderr


def test_a_new_group_goes_on_where_the_old_one_stopped(kafka, ledgers, topic, newest_librdkafka):
    KafkaTool(kafka.address).create(topic, 2)
    send(kafka, topic, numbers(0, 100))
    old = ledgers()
    wait_booked(ledgers, numbers(0, 100), old)
    assert old.stop() == 0
    assert old.ctl("offsets", "copy", "--from", topic, "--to", f"{topic}-new")["copied"] == 2
    new = ledgers(f"{topic}-new", env=newest_librdkafka, **CONSUMER)
    send(kafka, topic, numbers(5000, 20))
    wait_booked(ledgers, numbers(5000, 20), new)
    assert len(ledgers.booked()) == 120, "nothing came twice"
