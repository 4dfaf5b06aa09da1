#!/bin/sh
# Kafka's name for: corrente stop server
exec "$(dirname -- "$(readlink -f -- "$0")")/corrente" kafka-server-stop "$@"
