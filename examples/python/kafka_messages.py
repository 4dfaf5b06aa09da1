"""The two functions of the tutorial: one sends a message to a topic, the other prints what a topic has.

They run as they are with kafka-python 1.4, 2.0 and 3. The releases before 2.1 do not import on Python 3.12 and later
(`No module named 'kafka.vendor.six.moves'`): take Python 3.11, or a newer kafka-python.

Where the broker is comes from the environment: `kafka_host_url`, as compose.yml sets it, or localhost:9092.

The tutorial prints the consumer like this, and it does not run:

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=[kafka_host_url],
        auto_offset_reset='earliest',
        enable_auto_commit=True,
        auto_commit_interval_ms=1000,
        group_id='group_data_science'                          <- a comma is missing here: SyntaxError
        value_deserializer=lambda x: loads(x.decode('utf-8'))  <- and `loads` and `KafkaConsumer` are not imported
    )
"""

import json
import os

from kafka import KafkaConsumer, KafkaProducer

KAFKA_HOST_URL = os.environ.get("kafka_host_url", "localhost:9092")


def send_to_kafka_topic(topic, message):
    """Sends one message, anything that JSON can say, and returns when the broker has it."""
    producer = KafkaProducer(
        bootstrap_servers=[KAFKA_HOST_URL],
        value_serializer=lambda value: json.dumps(value).encode("utf-8"),
    )
    # Without the wait a program that ends at once may end before anything was sent, and nobody would know.
    producer.send(topic, value=message).get(timeout=60)
    producer.close()


def consumer_kafka_topic_messages(topic, group="group_data_science", idle_ms=None):
    """Prints each message of the topic that its group has not read yet, and waits for more.

    With idle_ms it ends when nothing has come for that long. What was read is committed each second and at the end, so
    that the next run with the same group begins where this one stopped.
    """
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=[KAFKA_HOST_URL],
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        auto_commit_interval_ms=1000,
        group_id=group,
        value_deserializer=lambda value: json.loads(value.decode("utf-8")),
        **({} if idle_ms is None else {"consumer_timeout_ms": idle_ms}),
    )
    try:
        for message in consumer:
            print(message.value, flush=True)
    finally:
        consumer.close()
