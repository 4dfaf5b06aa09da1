#!/bin/sh
# go.sh DIR SOURCE
#
# Builds the Go program in SOURCE to DIR/client, with exactly the modules its go.sum names.
# Exit status 77: no go on this machine.
set -eu
dir=$1 source=$2
if ! command -v go >/dev/null; then
    echo "no go on PATH" >&2
    exit 77
fi
mkdir -p "$dir"
cd "$source"
go build -mod=readonly -o "$dir/client" .
