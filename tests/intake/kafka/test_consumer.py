# SPDX-License-Identifier: Apache-2.0
"""What of a topic comes, what is committed of it, and what comes again."""
import ctypes
import signal

from conftest import settle, settle_commits, wait_committed
from support import eventually, free_port


# Whether the librdkafka that is found breaks on a topic that is made anew: from 2.4 on, until 2.10 (docs/platforms.md).
BREAKS_ON_NEW_TOPICS = 0x02040000 <= ctypes.CDLL("librdkafka.so.1").rd_kafka_version() < 0x020a0000

ENDED = 3  # of itself, as consumer_driver does when a daemon would


def wait_read(reader, consumer, condition):
    """Until `condition` holds of it, or of one that is started in its place once it has ended over librdkafka; the one of which it holds."""
    readers = [reader]

    def is_met():
        if BREAKS_ON_NEW_TOPICS and readers[-1].process.poll() in (ENDED, -signal.SIGSEGV):
            readers.append(consumer("--auto"))
        return condition(readers[-1])
    reader.wait_for(is_met, 60)
    return readers[-1]


def test_all_of_a_new_group_comes_and_is_committed(tool, topic, group, consumer):
    tool.create(topic, 3)
    for partition in range(3):
        tool.produce(topic, partition, 0, 1000)
    reader = consumer("--auto")
    for partition in range(3):
        assert reader.wait_got(1000, partition) == list(range(1000))
    wait_committed(tool, group, topic, {0: 1000, 1: 1000, 2: 1000})
    reader.wait_for(lambda: reader.counts()["told"] >= 3)
    reader.stop()
    tool.produce(topic, 1, 1000, 10)
    again = consumer("--auto")
    assert again.wait_got(10, 1) == list(range(1000, 1010))
    again.stop()
    assert tool.offsets(group, topic) == {0: 1000, 1: 1010, 2: 1000}


def test_a_group_may_begin_at_the_end(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 10)
    reader = consumer("--auto", auto_offset_reset="latest").wait_assigned(1)
    wait_committed(tool, group, topic, {0: 10})
    tool.produce(topic, 0, 10, 5)
    assert reader.wait_got(5) == list(range(10, 15))


def test_the_lowest_that_is_not_done_is_committed(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 20)
    reader = consumer()
    reader.wait_got(20)
    for offset in (0, 1, 2, 5, 6, 19):
        assert reader.ask(f"done 0 {offset}") == "ok"
    wait_committed(tool, group, topic, {0: 3})
    assert reader.ask("done 0 3") == "ok"
    assert reader.ask("done 0 4") == "ok"
    wait_committed(tool, group, topic, {0: 7})


def test_after_a_crash_only_what_was_not_done_comes_again(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 100)
    reader = consumer()
    reader.wait_got(100)
    done = set(range(10, 20)) | {33, 35, 99}
    for offset in done:
        reader.ask(f"done 0 {offset}")
    reader.wait_for(lambda: tool.committed(group, topic)[0][1])
    settle_commits(reader)
    reader.kill()
    again = consumer(session_timeout_ms=6000)
    left = [offset for offset in range(100) if offset not in done]
    assert again.wait_got(len(left)) == left
    settle(0.5)
    assert again.offsets() == left
    assert again.ask("finish") == str(len(left))
    wait_committed(tool, group, topic, {0: 100})


def test_hostile_metadata_is_ignored_and_counted(tool, topic, group, consumer):
    tool.create(topic, 3)
    for partition in range(3):
        tool.produce(topic, partition, 0, 10)
    tool("commit", group, topic, 0, 4, "stepd:AAAA")
    tool("commit", group, topic, 1, 4, "another program's {}")
    tool("commit", group, topic, 2, 4)
    reader = consumer("--auto")
    for partition in range(3):
        assert reader.wait_got(6, partition) == list(range(4, 10))
    assert reader.counts()["unread"] == 2
    assert reader.log().count("stepd ignores the metadata of the committed offset") == 2
    wait_committed(tool, group, topic, {0: 10, 1: 10, 2: 10})


def test_metadata_past_the_end_is_ignored(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 100)
    tool.produce(topic, 1, 0, 60)
    reader = consumer()
    reader.wait_got(100)
    for offset in range(50, 100):
        reader.ask(f"done 0 {offset}")
    reader.wait_for(lambda: tool.committed(group, topic)[0][1])
    settle_commits(reader)
    reader.kill()
    other = group + "-other"
    offset, metadata = tool.committed(group, topic)[0]
    tool("commit", other, topic, 0, offset, metadata)
    tool("commit", other, topic, 1, offset, metadata)
    again = consumer("--auto", group=other)
    assert again.wait_got(60, 1) == list(range(60))
    assert again.wait_got(50) == list(range(50))
    assert again.counts()["unread"] == 1


def test_a_taken_message_is_committed_after_its_lag(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 10)
    reader = consumer("--lag", "6000")
    reader.wait_got(10)
    for offset in range(10):
        reader.ask(f"{'taken' if offset == 4 else 'done'} 0 {offset}")
    wait_committed(tool, group, topic, {0: 4})
    settle(1)
    assert tool.offsets(group, topic) == {0: 4}
    wait_committed(tool, group, topic, {0: 10})


def test_what_the_store_took_is_not_committed_while_it_is_away(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 3)
    reader = consumer("--lag", "300")
    reader.wait_got(3)
    reader.ask("store off")
    reader.ask("taken 0 0")
    reader.ask("done 0 1")
    reader.ask("done 0 2")
    settle(2)
    assert tool.offsets(group, topic)[0] in (None, 0)
    reader.ask("store on")
    wait_committed(tool, group, topic, {0: 3})


def test_a_rewind_brings_back_what_was_taken_and_what_runs_but_not_what_is_done(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 10)
    reader = consumer("--lag", "60000")
    reader.wait_got(10)
    for offset in (0, 1, 5):
        reader.ask(f"done 0 {offset}")
    reader.ask("taken 0 2")
    reader.ask("run 0 3")
    wait_committed(tool, group, topic, {0: 2})
    reader.ask("rewind")
    expected = [2, 3, 4, 6, 7, 8, 9]
    reader.wait_for(lambda: reader.offsets()[10:] == expected)
    assert reader.ask("done 0 3") == "ok"         # of the old assignment: does not count
    assert reader.ask("done 0 4") == "dropped"    # so is this, which had not begun
    settle(1)
    assert tool.offsets(group, topic) == {0: 2}
    reader.ask("finish")
    wait_committed(tool, group, topic, {0: 10})


def test_what_is_dropped_comes_again_while_its_partition_stays(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 10)
    tool.produce(topic, 1, 0, 10)
    reader = consumer()
    reader.wait_got(10, 0)
    reader.wait_got(10, 1)
    for offset in (0, 1, 5):
        assert reader.ask(f"done 0 {offset}") == "ok"
    assert reader.ask("drop 0 4") == "ok"
    expected = [2, 3, 4, 6, 7, 8, 9]
    reader.wait_for(lambda: reader.offsets(0)[10:] == expected)
    settle(1)
    assert reader.offsets(0)[10:] == expected
    assert reader.offsets(1) == list(range(10)), "the other partition had nothing to do with it"
    reader.ask("finish")
    reader.ask("finish")
    wait_committed(tool, group, topic, {0: 10, 1: 10})


def test_rewinds_one_after_another_lose_nothing(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 20000)
    tool.produce(topic, 1, 0, 20000)
    reader = consumer("--auto", "--quiet", "--queue", "500")
    for _ in range(20):
        settle(0.1)
        reader.ask("rewind")
    reader.wait_for(lambda: tool.offsets(group, topic) == {0: 20000, 1: 20000}, 60)
    for counts in reader.ledger().values():
        assert counts["ended"] == 20000 and counts["missing"] == 0


def test_little_is_in_flight_and_nothing_is_lost_around_back_pressure(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 50000, 200)
    tool.produce(topic, 1, 0, 50000, 200)
    reader = consumer("--quiet", "--queue", "1000")
    reader.wait_for(lambda: reader.counts()["in_flight"] >= 1000)
    settle(1.5)
    assert reader.counts()["in_flight"] == 1000
    done = 0
    while done < 20000:
        done += int(reader.ask("finish"))
    reader.ask("auto")
    reader.ask("finish")
    wait_committed(tool, group, topic, {0: 50000, 1: 50000}, 60)
    for counts in reader.ledger().values():
        assert counts == {"ended": 50000, "twice": 0, "missing": 0, "top": 50000}


def test_one_slow_message_holds_up_no_other(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 1)
    reader = consumer("--quiet", "--queue", "100")
    reader.wait_for(lambda: reader.counts()["in_flight"] == 1)
    reader.ask("run 0 0")
    reader.ask("auto")
    tool.produce(topic, 0, 1, 20000)
    reader.wait_for(lambda: reader.counts()["events"] == 20001)
    reader.wait_for(lambda: reader.counts()["in_flight"] == 1)
    wait_committed(tool, group, topic, {0: 0})
    settle_commits(reader)
    reader.kill()
    again = consumer()
    assert again.wait_got(1) == [0]
    settle(1)
    assert again.offsets() == [0]


def test_a_bitmap_that_is_too_large_is_cut_and_costs_repeats_alone(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 8000)
    reader = consumer("--quiet", "--queue", "10000")
    reader.wait_for(lambda: reader.counts()["in_flight"] == 8000)
    for offset in range(1, 8000, 2):
        reader.ask(f"done 0 {offset}")
    reader.wait_for(lambda: len(tool.committed(group, topic)[0][1]) > 3000)
    settle_commits(reader)
    assert reader.counts()["failed"] == 0
    reader.kill()
    again = consumer("--auto", "--queue", "10000")
    wait_committed(tool, group, topic, {0: 8000})
    came = again.offsets()
    assert set(came) >= set(range(0, 8000, 2))
    skipped = set(range(8000)) - set(came)
    assert 500 < len(skipped) and skipped == set(range(1, max(skipped) + 1, 2))


def test_messages_of_any_size_come_as_they_are(tool, kafka, topic, group, consumer):
    tool.create(topic, **{"max_message_bytes": 10000000})
    for size in (0, 1, 5000, 20000, 150000, 900000, 3000000):
        tool.produce(topic, 0, size, 1, size)
    kafka.produce(b"x", topic, key="k", headers={"one": "1", "two": "a b"})
    reader = consumer()
    reader.wait_got(8)
    assert reader.values() == ["0", "1", "5000", "20000", "150000", "900000", "3000000", "x"]
    assert reader.got[-1][2] == "x one=1 two=a b"
    reader.ask("finish")
    wait_committed(tool, group, topic, {0: 8})


def test_compacted_offsets_do_not_hold_up_commits(tool, kafka, topic, group, consumer):
    tool.create(topic, cleanup_policy="compact", segment_ms=100, min_cleanable_dirty_ratio="0.01",
                min_compaction_lag_ms=0, max_compaction_lag_ms=100)
    for _ in range(10):
        tool.produce(topic, 0, 0, 100)  # the same keys: all but the last hundred go
        settle(0.15)
    kafka.produce(b"end", topic, key="end")
    settle(0.3)
    kafka.produce(b"end", topic, key="end")

    def is_compacted():
        return len(kafka.consume(topic)) < 500
    eventually(is_compacted, 60)
    reader = consumer("--auto", "--quiet")
    wait_committed(tool, group, topic, {0: 1002})
    assert reader.ledger()[0]["ended"] < 500


def test_control_records_do_not_hold_up_commits(tool, topic, group, consumer):
    tool.create(topic)
    tool("transaction", topic, 0, 0, 5, "commit")
    tool("transaction", topic, 0, 100, 5, "abort")
    tool("transaction", topic, 0, 5, 5, "commit")
    reader = consumer("--auto")
    reader.wait_got(10)
    assert reader.values() == [str(number) for number in range(10)]
    wait_committed(tool, group, topic, {0: 18})  # 15 records, 3 of control
    reader.wait_for(lambda: [view["end"] for view in reader.partitions()] == [18])
    reader.stop()
    again = consumer("--auto").wait_assigned(1)
    tool("transaction", topic, 0, 100, 1, "abort")
    wait_committed(tool, group, topic, {0: 20})
    assert again.offsets() == []


def test_a_topic_that_appears_later_is_picked_up(tool, topic, group, consumer):
    reader = consumer("--auto", topic_metadata_refresh_interval_ms=1000)
    reader.wait_for(lambda: f"topic '{topic}' does not exist" in reader.log())
    settle(3)
    assert reader.log().count("does not exist") == 1
    tool.create(topic, 2)
    tool.produce(topic, 1, 0, 3)
    assert reader.wait_got(3, 1) == [0, 1, 2]


def test_an_offset_that_was_deleted_is_passed_in_plain_words(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 100)
    tool.produce(topic, 1, 0, 100)
    tool("commit", group, topic, 0, 10)
    tool("delete-before", topic, 0, 40)
    reader = consumer("--auto")
    assert reader.wait_got(60) == list(range(40, 100))
    reader.wait_got(100, 1)
    assert reader.log().count("does not exist any more") == 1
    wait_committed(tool, group, topic, {0: 100, 1: 100})
    tool.produce(topic, 0, 100, 5)
    assert reader.wait_got(65)[-5:] == list(range(100, 105))


def test_no_more_than_the_queue_holds_is_in_flight_after_an_offset_that_was_deleted(tool, topic, group, consumer):
    tool.create(topic, 1)
    tool.produce(topic, 0, 0, 30000, 100)
    tool("commit", group, topic, 0, 10)
    tool("delete-before", topic, 0, 40)
    reader = consumer("--quiet", "--queue", "500")
    reader.wait_for(lambda: reader.counts()["in_flight"] >= 500)
    settle(5)
    assert reader.counts()["in_flight"] == 500
    reader.ask("auto")
    reader.ask("finish")
    wait_committed(tool, group, topic, {0: 30000}, 60)
    assert reader.ledger()[0]["twice"] == 0
    assert reader.ledger()[0]["ended"] == 30000 - 40
    assert reader.counts()["events"] == 30000 - 40


def test_a_topic_made_anew_under_a_running_consumer_is_read_from_its_beginning(tool, topic, group, consumer):
    tool.create(topic)
    tool.produce(topic, 0, 0, 100)
    reader = consumer("--auto", topic_metadata_refresh_interval_ms=1000)
    reader.wait_got(100)
    wait_committed(tool, group, topic, {0: 100})
    tool.delete(topic)
    settle(2)
    tool.create(topic)
    tool.produce(topic, 0, 1000, 50)
    expected = [str(number) for number in range(1000, 1050)]
    last = wait_read(reader, consumer, lambda reader: reader.values()[-50:] == expected)
    assert last is not reader or reader.values()[100:] == expected, "nothing came twice"
    wait_committed(tool, group, topic, {0: 50})


def test_a_topic_made_anew_with_more_than_was_read_is_read_from_its_beginning(tool, topic, group, consumer):
    tool.create(topic, 2)
    tool.produce(topic, 0, 0, 100)
    tool.produce(topic, 1, 0, 100)
    reader = consumer("--auto")
    for partition in range(2):
        reader.wait_got(100, partition)
    wait_committed(tool, group, topic, {0: 100, 1: 100})
    settle(6)  # the brokers are asked every five seconds
    tool.delete(topic)
    tool.create(topic, 2)
    for partition in range(2):
        tool.produce(topic, partition, 1000, 500)
    expected = [str(number) for number in range(1000, 1500)]
    wait_read(reader, consumer, lambda reader: [reader.values(partition)[-500:] for partition in range(2)] == [expected, expected])
    wait_committed(tool, group, topic, {0: 500, 1: 500})


def test_a_topic_made_anew_while_nobody_looks_is_read_from_its_beginning(tool, topic, group, consumer):
    # A librdkafka that breaks on it may end the process before that has looked, once it hears of the topic by itself.
    quiet = {"topic_metadata_refresh_interval_ms": 60000} if BREAKS_ON_NEW_TOPICS else {}
    tool.create(topic)
    tool.produce(topic, 0, 0, 100)
    reader = consumer("--auto", **quiet)
    reader.wait_got(100)
    wait_committed(tool, group, topic, {0: 100})
    settle(6)
    reader.freeze()  # so that librdkafka finds nothing out of its range when it looks again
    tool.delete(topic)
    tool.create(topic)
    tool.produce(topic, 0, 1000, 500)
    reader.thaw()
    expected = [str(number) for number in range(1000, 1500)]
    last = wait_read(reader, consumer, lambda reader: reader.values()[-500:] == expected)
    wait_committed(tool, group, topic, {0: 500})
    if last is reader:
        reader.wait_for(lambda: "was deleted and created again" in reader.log())


def test_a_topic_that_grows_and_loses_its_first_records_is_the_same(tool, topic, group, consumer):
    tool.create(topic)
    reader = consumer("--auto").wait_assigned(1)
    for first in range(0, 600, 100):
        tool.produce(topic, 0, first, 100)
        reader.wait_got(first + 100)
        settle(2.5)
        tool("delete-before", topic, 0, first + 50)
    assert reader.offsets() == list(range(600)), "nothing came twice"
    assert "was deleted and created again" not in reader.log()


def test_wrong_settings_are_refused_with_the_reason(consumer):
    reader = consumer(fetch_wait_max_ms="soon")
    reader.wait_for(lambda: reader.answers)
    assert reader.answers[0].startswith("refused kafka: ") and "fetch.wait.max.ms" in reader.answers[0]


def test_a_broker_that_is_away_is_said_once_and_waited_for(tool, topic, group, consumer):
    reader = consumer(address=f"127.0.0.1:{free_port()}")
    reader.wait_for(lambda: "Kafka can't be reached" in reader.log())
    settle(3)
    warnings = [line for line in reader.log().splitlines() if (" warn " in line or " error " in line) and "group.protocol" not in line]
    assert len(warnings) == 1, warnings
    reader.stop(2000)
