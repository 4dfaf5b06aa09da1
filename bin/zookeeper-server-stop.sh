#!/bin/sh
# Kafka's name for: corrente stop zookeeper
exec "$(dirname -- "$(readlink -f -- "$0")")/corrente" zookeeper-server-stop "$@"
