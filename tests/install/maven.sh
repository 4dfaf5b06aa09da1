#!/bin/sh
# maven.sh DIR OLDEST_JAVA GROUP:ARTIFACT:VERSION...
#
# The artifacts and all they need at run time into DIR/libs. Exit status 77: no java (or too old a one) or no mvn.
set -eu
dir=$1 oldest=$2
shift 2

if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
    echo "java and mvn are needed and not both on PATH" >&2
    exit 77
fi
# `java -version` says: openjdk version "17.0.1", or "1.8.0_x" for 8
java=$(java -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1)
if [ "${java:-0}" -lt "$oldest" ]; then
    echo "java $oldest or newer is needed, the one on PATH is ${java:-unknown}" >&2
    exit 77
fi

mkdir -p "$dir/libs"
{
    echo '<project><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>corrente</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>'
    echo '<dependencies>'
    for coordinates in "$@"; do
        group=${coordinates%%:*} version=${coordinates##*:} artifact=${coordinates#*:}
        artifact=${artifact%:*}
        echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
} > "$dir/pom.xml"
cd "$dir"
mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=libs -DincludeScope=runtime
