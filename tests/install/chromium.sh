#!/bin/sh
# chromium.sh DIR
#
# DIR/chromium, Debian's browser: installed when we are root, else the one that is on PATH; and DIR/node_modules with
# playwright-core, which drives it and brings no browser of its own.
# Exit status 77: no node or npm, or no browser and no way to install one.
set -eu
dir=$1
mkdir -p "$dir"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "node and npm are needed and not both on PATH" >&2
    exit 77
fi
if ! command -v chromium >/dev/null; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "no chromium on PATH, and only root could install it with apt-get" >&2
        exit 77
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core
fi
ln -sf "$(command -v chromium)" "$dir/chromium"
cd "$dir"
echo '{"name": "corrente-console-test", "private": true}' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts playwright-core@1.49.1
