"""confluent-kafka (librdkafka) as a test client.

    confluent_client.py '{"do": "produce", ...}'

One JSON object says what to do, records come in and go out as JSON lines:

    {"partition": 0, "offset": 5, "timestamp": ms, "key": "k", "value": "v", "headers": [["h", "x"], ["n", null]]}

Commands: version, create, produce (records on stdin), read (everything there is), member (of a group,
until stdin ends), stream (idempotent producer for the crash loop, until stdin ends).
"""

import json
import select
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def text(data):
    return None if data is None else data.decode()


def data(value):
    return None if value is None else value.encode()


def record(message):
    kind, timestamp = message.timestamp()
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp,
        "timestamp_type": "create" if kind == confluent_kafka.TIMESTAMP_CREATE_TIME else "append",
        "key": text(message.key()),
        "value": text(message.value()),
        "headers": [[k, text(v)] for k, v in message.headers() or []],
    }


def stdin_ended():
    """True once the parent closed our stdin: the sign to leave politely."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def version(_command):
    library = confluent_kafka.libversion()[0]
    say(version=f"{confluent_kafka.__version__} (librdkafka {library})")


def create(command):
    admin = AdminClient({"bootstrap.servers": command["bootstrap"]})
    topic = NewTopic(command["topic"], command["partitions"], 1, config=command.get("config", {}))
    for done in admin.create_topics([topic], operation_timeout=10, request_timeout=20).values():
        done.result()
    say(created=command["topic"])


def produce(command):
    settings = {"bootstrap.servers": command["bootstrap"], "acks": "all", "linger.ms": 20, "message.timeout.ms": 30000}
    settings.update({"compression.type": command["codec"], "batch.num.messages": 50})
    settings.update(command.get("settings", {}))
    producer = Producer(settings)
    places, failures = {}, []

    def delivered(number):
        def report(error, message):
            if error is None:
                places[number] = [message.partition(), message.offset()]
            else:
                failures.append(f"record {number}: {error}")

        return report

    for number, line in enumerate(sys.stdin):
        entry = json.loads(line)
        producer.produce(
            command["topic"],
            partition=entry["partition"],
            key=data(entry["key"]),
            value=data(entry["value"]),
            headers=[(k, data(v)) for k, v in entry["headers"]],
            timestamp=entry["timestamp"],
            on_delivery=delivered(number),
        )
        producer.poll(0)
    left = producer.flush(40)
    say(places=[places.get(n) for n in range(number + 1)], failures=failures, left=left)


def read(command):
    consumer = Consumer({
        "bootstrap.servers": command["bootstrap"],
        "group.id": "reader-without-commits",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "check.crcs": True,
    })
    partitions = [TopicPartition(command["topic"], p, 0) for p in range(command["partitions"])]
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(partition, timeout=20)
        say(event="range", partition=partition.partition, low=low, high=high)
    consumer.assign(partitions)
    ends = set()
    while len(ends) < len(partitions):
        message = consumer.poll(20)
        if message is None:
            raise SystemExit("no message and no end of partition for 20 s")
        if message.error() is None:
            say(**record(message))
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ends.add(message.partition())
        else:
            raise KafkaException(message.error())
    consumer.close()


def member(command):
    settings = {
        "bootstrap.servers": command["bootstrap"],
        "group.id": command["group"],
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 1000,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "check.crcs": True,
    }
    settings.update(command.get("settings", {}))
    consumer = Consumer(settings)

    def changed(consumer, partitions):
        say(event="assigned", partitions=sorted(p.partition for p in partitions))

    def revoked(consumer, partitions):
        say(event="assigned", partitions=[])

    consumer.subscribe([command["topic"]], on_assign=changed, on_revoke=revoked)
    while not stdin_ended():
        message = consumer.poll(0.1)
        if message is None:
            continue
        if message.error() is not None:
            say(event="error", text=str(message.error()))
            continue
        say(event="record", **record(message))
    consumer.close()
    say(event="closed")


def stream(command):
    """Numbered messages, round robin over the partitions, through any number of broker restarts."""
    producer = Producer({
        "bootstrap.servers": command["bootstrap"],
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 2,
        "message.timeout.ms": 0,
        "reconnect.backoff.ms": 10,
        "reconnect.backoff.max.ms": 50,
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 50,
        "socket.timeout.ms": 10000,
        "queue.buffering.max.messages": 200000,
        "error_cb": lambda error: error.fatal() and say(event="fatal", text=str(error)),
    })

    def delivered(error, message):
        number = int(message.key())
        if error is None:
            acked.append(f"{number} {message.partition()} {message.offset()}\n")
        else:
            say(event="failed", number=number, text=str(error))

    # Acknowledgements go out as plain "number partition offset" lines: there are a few hundred thousand of them.
    acked, number = [], 0
    pause = 1.0 / command["rate"]
    due = time.monotonic()
    filling = "x" * command["size"]
    while not stdin_ended():
        due = max(due, time.monotonic() - 0.05)
        while due <= time.monotonic():
            try:
                producer.produce(
                    command["topic"],
                    partition=number % command["partitions"],
                    key=str(number),
                    value=f"{number} {filling}",
                    on_delivery=delivered,
                )
            except BufferError:
                break
            number += 1
            due += pause
        producer.poll(0.005)
        if acked:
            sys.stdout.write("".join(acked))
            sys.stdout.flush()
            acked.clear()
    left = producer.flush(60)
    sys.stdout.write("".join(acked))
    say(event="closed", sent=number, left=left)


def main():
    command = json.loads(sys.argv[1])
    commands = {f.__name__: f for f in (version, create, produce, read, member, stream)}
    commands[command["do"]](command)


main()
