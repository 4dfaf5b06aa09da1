"""A small application on the two functions, for the compose file and for a terminal:

    python app.py send TOPIC [JSON...]     sends these messages, or one for each line of standard input
    python app.py print TOPIC [IDLE_MS]    prints what the group has not read yet, and waits for more
    python app.py                          sends a few measurements and prints what the topic has, for ever
"""

import json
import signal
import sys

from kafka_messages import KAFKA_HOST_URL, consumer_kafka_topic_messages, send_to_kafka_topic

TOPIC = "measurements"


def main(arguments):
    if arguments[:1] == ["send"] and len(arguments) >= 2:
        for text in arguments[2:] or sys.stdin:
            send_to_kafka_topic(arguments[1], json.loads(text))
    elif arguments[:1] == ["print"] and len(arguments) in (2, 3):
        idle_ms = int(arguments[2]) if len(arguments) == 3 else None
        consumer_kafka_topic_messages(arguments[1], idle_ms=idle_ms)
    elif not arguments:
        print(f"the broker is at {KAFKA_HOST_URL}", flush=True)
        for city, degrees in [("Recife", 29.5), ("Oslo", -3.0), ("Quito", 14.25)]:
            send_to_kafka_topic(TOPIC, {"city": city, "degrees": degrees})
        consumer_kafka_topic_messages(TOPIC)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    # A container is stopped by SIGTERM. The consumer then leaves its group; else the next one waits until its session has ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        pass
