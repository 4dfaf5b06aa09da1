"""kafka-python, as an analytics team uses it: JSON values, one consumer group, automatic commits.

    kafka_python_client.py '{"do": "consume", ...}'

Commands: version, send (JSON values on stdin), consume (by the group), read (all, as text, without a group).
Works with the releases 1.4, 2.0 and 3; "api_version" is [0, 10, 1] or null (the client finds out by itself).
"""

import json
import select
import sys
import time

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def common(command):
    settings = {"bootstrap_servers": [command["bootstrap"]]}
    if command.get("api_version"):
        settings["api_version"] = tuple(command["api_version"])
    settings.update(command.get("settings", {}))
    return settings


def stdin_ended():
    """True once the parent closed our stdin: the sign to leave politely."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def version(_command):
    say(version=kafka.__version__)


def send(command):
    """Values go out in the order of stdin; with "rate", that many a second, each said as it is sent."""
    producer = KafkaProducer(value_serializer=lambda v: json.dumps(v).encode("utf-8"), **common(command))
    futures = []
    for line in sys.stdin:
        futures.append(producer.send(command["topic"], json.loads(line)))
        if command.get("rate"):
            time.sleep(1.0 / command["rate"])
    producer.flush()
    for future in futures:
        done = future.get(timeout=10)
        say(partition=done.partition, offset=done.offset, timestamp=done.timestamp)
    producer.close()


def consume(command):
    """Ends `idle_ms` after the last message once `count` are there; with count null it goes on until killed, or stdin ends."""
    consumer = KafkaConsumer(
        command["topic"],
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        auto_commit_interval_ms=1000,
        group_id=command["group"],
        value_deserializer=lambda m: json.loads(m.decode("utf-8")),
        consumer_timeout_ms=command.get("idle_ms", 200),
        **common(command)
    )
    say(event="started", at=time.time())
    seen, assigned, give_up = 0, None, time.time() + command.get("give_up_s", 60)
    while time.time() < give_up:
        for message in consumer:
            say(
                event="record",
                partition=message.partition,
                offset=message.offset,
                timestamp=message.timestamp,
                value=message.value,
                at=time.time(),
            )
            seen += 1
        now = sorted(p.partition for p in consumer.assignment())
        if now != assigned:
            assigned = now
            say(event="assigned", partitions=assigned, at=time.time())
        if stdin_ended() if command["count"] is None else seen >= command["count"]:
            break
    consumer.close()
    say(event="closed", seen=seen)


def read(command):
    """One partition from its start to its end, bytes shown as text."""
    consumer = KafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2097152,
        **common(command)
    )
    partition = TopicPartition(command["topic"], 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end = consumer.end_offsets([partition])[partition]
    while consumer.position(partition) < end:
        for message in consumer.poll(timeout_ms=1000).get(partition, []):
            say(
                partition=message.partition,
                offset=message.offset,
                timestamp=message.timestamp,
                key=message.key and message.key.decode(),
                value=message.value.decode(),
            )
    consumer.close()


def main():
    command = json.loads(sys.argv[1])
    {f.__name__: f for f in (version, send, consume, read)}[command["do"]](command)


main()
