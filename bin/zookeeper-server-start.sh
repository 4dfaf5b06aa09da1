#!/bin/sh
# Kafka's name for: corrente zookeeper [--daemon] FILE.properties
b=$(dirname -- "$(readlink -f -- "$0")"); export LOG_DIR="${LOG_DIR:-$b/../logs}"; exec "$b/corrente" zookeeper-server-start "$@"
