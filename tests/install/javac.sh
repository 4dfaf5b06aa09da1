#!/bin/sh
# javac.sh DIR RELEASE LIBS SOURCE...
#
# Compiles Java programs for that release, with the jars in LIBS, into DIR. Exit status 77: no javac.
set -eu
dir=$1 release=$2 libs=$3
shift 3

if ! command -v javac >/dev/null; then
    echo "javac is needed and not on PATH" >&2
    exit 77
fi
mkdir -p "$dir"
# The security manager, which keeps a tool from ending the JVM, is deprecated since Java 17.
javac -nowarn -Xlint:-options -Xlint:-removal --release "$release" -d "$dir" -cp "$libs/*" "$@"
