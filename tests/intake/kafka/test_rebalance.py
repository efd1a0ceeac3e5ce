# SPDX-License-Identifier: Apache-2.0
"""What happens to messages and offsets when partitions change hands."""
import time

from conftest import CLASSIC_ONLY, settle, wait_committed
from silent_leader import SilentLeader
from support import SLOWER, eventually


def parts(reader):
    return sorted(view["partition"] for view in reader.partitions())


def wait_shared(readers, count):
    """Every partition has one owner, and nobody has more than his share."""
    def shared():
        have = [parts(reader) for reader in readers]
        most = -(-count // len(readers))
        return sorted(sum(have, [])) == list(range(count)) and max(map(len, have)) <= most
    eventually(shared, 40, what=lambda: [parts(reader) for reader in readers])


def test_partitions_are_shared_and_nothing_comes_twice(tool, topic, group, consumer):
    tool.create(topic, 4)
    first = consumer("--auto").wait_assigned(4)
    for partition in range(4):
        tool.produce(topic, partition, 0, 500)
    wait_committed(tool, group, topic, {partition: 500 for partition in range(4)})
    second = consumer("--auto")
    wait_shared([first, second], 4)
    for partition in range(4):
        tool.produce(topic, partition, 500, 500)
    wait_committed(tool, group, topic, {partition: 1000 for partition in range(4)})
    for partition in range(4):
        assert sorted(first.offsets(partition) + second.offsets(partition)) == list(range(1000))


def test_a_revoke_waits_for_what_runs_and_drops_what_does_not(tool, topic, group, consumer):
    tool.create(topic, 2)
    first = consumer("--drain", "60000").wait_assigned(2)
    for partition in range(2):
        tool.produce(topic, partition, 0, 10)
        first.wait_got(10, partition)
        first.ask(f"done {partition} 0")
        first.ask(f"done {partition} 5")
        first.ask(f"run {partition} 1")
    second = consumer()
    first.wait_for(lambda: "partitions revoked" in first.log())
    settle(1)
    assert second.got == []  # what runs is waited for
    answers = [first.ask(f"done {partition} 1") for partition in range(2)]
    assert answers == ["ok", "ok"]
    wait_shared([first, second], 2)
    moved, kept = parts(second)[0], parts(first)[0]
    assert second.wait_got(7, moved) == [2, 3, 4, 6, 7, 8, 9]
    assert first.ask(f"done {moved} 2") == "dropped"
    assert first.ask(f"done {kept} 2") == "ok"
    settle(1)
    assert second.offsets(kept) == []
    assert second.offsets(moved) == [2, 3, 4, 6, 7, 8, 9]


def test_a_revoke_does_not_wait_for_ever(tool, topic, group, consumer):
    tool.create(topic, 2)
    first = consumer("--drain", "1000").wait_assigned(2)
    for partition in range(2):
        tool.produce(topic, partition, 0, 2)
        first.wait_got(2, partition)
        first.ask(f"run {partition} 0")
        first.ask(f"done {partition} 1")
    second = consumer("--auto")
    wait_shared([first, second], 2)
    moved = parts(second)[0]
    assert second.wait_got(1, moved) == [0]
    wait_committed(tool, group, topic, {moved: 2, 1 - moved: 0})
    assert first.ask(f"done {moved} 0") == "ok"  # ends late, and changes nothing
    settle(1)
    assert tool.offsets(group, topic)[moved] == 2
    assert "still run after 1000 ms" in first.log()


def test_what_was_handed_over_of_other_partitions_goes_on_while_one_is_drained(tool, topic, group, consumer):
    tool.create(topic, 2)
    first = consumer("--drain", "60000").wait_assigned(2)
    for partition in range(2):
        tool.produce(topic, partition, 0, 3)
        first.wait_got(3, partition)
        first.ask(f"run {partition} 0")
    second = consumer()
    first.wait_for(lambda: "partitions revoked" in first.log())
    settle(7)                            # past its session, and it is alive
    moved = 0 if " [0]" in first.log().split("partitions revoked")[1] else 1
    assert first.ask(f"done {moved} 1") == "dropped"
    assert first.ask(f"done {1 - moved} 1") == "ok"
    assert second.got == []
    first.ask("finish")
    wait_shared([first, second], 2)
    assert second.wait_got(2, moved) == [1, 2]
    wait_committed(tool, group, topic, {moved: 1, 1 - moved: 3})
    assert "partitions lost" not in first.log()


def test_a_partition_that_goes_and_comes_back_is_not_taken_for_itself(tool, topic, group, consumer):
    tool.create(topic, 1)
    first = consumer("--drain", "300").wait_assigned(1)
    tool.produce(topic, 0, 0, 10)
    first.wait_got(10)
    first.ask("run 0 0")
    first.ask("run 0 1")
    first.freeze()                       # longer than its session
    second = consumer()
    second.wait_got(10)
    second.ask("done 0 0")
    wait_committed(tool, group, topic, {0: 1})
    second.stop()
    first.thaw()
    first.wait_for(lambda: first.offsets()[10:] == list(range(1, 10)), 60)
    assert "partitions lost" in first.log()
    assert first.ask("done 0 0") == "ok"  # both of the assignment before
    assert first.ask("done 0 1") == "ok"
    settle(1)
    assert tool.offsets(group, topic) == {0: 1}
    assert first.ask("done 0 2") == "dropped"
    first.ask("finish")
    wait_committed(tool, group, topic, {0: 10})


def test_a_consumer_that_slept_past_its_session_commits_nothing(tool, topic, group, consumer):
    tool.create(topic, 1)
    first = consumer("--commit", "100").wait_assigned(1)
    tool.produce(topic, 0, 0, 100)
    first.wait_got(100)
    first.ask("done 0 0")
    wait_committed(tool, group, topic, {0: 1})
    first.freeze()
    second = consumer("--auto")
    wait_committed(tool, group, topic, {0: 100})
    first.thaw()
    first.ask("finish")
    first.wait_for(lambda: "partitions lost" in first.log())
    settle(2)
    assert tool.offsets(group, topic) == {0: 100}
    assert second.offsets() == list(range(1, 100))
    tool.produce(topic, 0, 100, 10)
    wait = set(range(100, 110))
    eventually(lambda: wait <= set(first.offsets() + second.offsets()), 30)


def test_fifty_rebalances_on_an_idle_topic_leave_its_offsets(tool, topic, group, consumer):
    tool.create(topic, 4)
    for partition in range(4):
        tool.produce(topic, partition, 0, 10)
    first = consumer("--auto")
    wait_committed(tool, group, topic, {partition: 10 for partition in range(4)})
    commits = None
    while first.counts()["rebalances"] < 50:
        other = consumer("--auto")
        wait_shared([first, other], 4)
        other.stop()
        wait_shared([first], 4)
        commits = commits or first.counts()["commits"]
    assert tool.offsets(group, topic) == {partition: 10 for partition in range(4)}
    assert first.counts()["commits"] == commits  # there was nothing to commit
    assert len(first.got) == 40
    assert "partitions lost" not in first.log()


def test_rebalances_under_load_lose_nothing_and_lose_no_assignment(tool, topic, group, consumer):
    tool.create(topic, 8)
    first = consumer("--auto", "--quiet", "--commit", "50").wait_assigned(8)
    others = []
    for burst in range(8):
        for partition in range(8):
            tool.produce(topic, partition, burst * 5000, 5000, 100)
        others.append(consumer("--auto", "--quiet", "--commit", "50"))
        settle(0.7)
        if len(others) > 2:
            others[-3].stop()
    wait_committed(tool, group, topic, {partition: 40000 for partition in range(8)}, 90)
    alive = [first, *[other for other in others if other.process.poll() is None]]
    for reader in [first, *others]:
        assert "partitions lost" not in reader.log(), reader.log()[-3000:]
    ended = sum(counts["ended"] for reader in alive for counts in reader.ledger().values())
    assert ended <= 8 * 40000  # each once, the rest by those that have gone


@CLASSIC_ONLY
def test_static_members_come_back_to_their_partitions_without_a_rebalance(tool, topic, group, consumer):
    tool.create(topic, 4)
    first = consumer("--auto", group_instance_id="a", session_timeout_ms=20000)
    second = consumer("--auto", group_instance_id="b", session_timeout_ms=20000)
    wait_shared([first, second], 4)
    had, rebalances = parts(second), first.counts()["rebalances"]
    second.kill()
    second = consumer("--auto", group_instance_id="b", session_timeout_ms=20000)
    second.wait_for(lambda: parts(second) == had)
    assert first.counts()["rebalances"] == rebalances


def test_a_killed_member_s_partitions_go_on_elsewhere_once_its_session_is_over(tool, topic, group, consumer):
    tool.create(topic, 2)
    first, second = consumer("--auto"), consumer("--auto")
    wait_shared([first, second], 2)
    moved = parts(second)[0]
    second.kill()
    killed = time.monotonic()
    tool.produce(topic, moved, 0, 10)
    first.wait_got(10, moved)
    assert time.monotonic() - killed < 10 * SLOWER


def test_redis_away_at_assignment_holds_events_back_and_rebalances_go_on(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 10)
    tool.produce(topic, 1, 0, 10)
    first = consumer()
    first.ask("load off")
    first.wait_assigned(2)
    second = consumer("--auto")
    wait_shared([first, second], 2)
    settle(1)
    mine = parts(first)[0]
    if first.offsets(mine):
        assert first.offsets(mine) == list(range(10))  # assigned before "load off" came
    first.ask("load on")
    assert first.wait_got(10, mine) == list(range(10))


def test_stop_leaves_the_group_at_once(tool, topic, group, consumer):
    tool.create(topic, 2)
    first = consumer("--auto", session_timeout_ms=45000).wait_assigned(2)
    first.stop()
    began = time.monotonic()
    consumer("--auto").wait_assigned(2)
    assert time.monotonic() - began < 10 * SLOWER


@CLASSIC_ONLY
def test_stop_before_the_first_assignment(kafka, tool, topic, group, consumer):
    tool.create(topic, 1)
    tool.offsets(group, topic)  # the coordinator is there
    leader = SilentLeader(kafka.address, group, topic)
    eventually(lambda: leader.join() == 1)
    other = consumer("--auto")
    eventually(lambda: leader.join() == 2)
    settle(0.5)  # until the other one has heard the same
    assert other.counts()["partitions"] == 0
    other.stop()
    leader.close()
