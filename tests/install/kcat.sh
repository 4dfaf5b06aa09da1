#!/bin/sh
# kcat.sh DIR
#
# DIR/kcat, out of Debian's package: installed when we are root, otherwise unpacked into DIR.
# Exit status 77: neither kcat nor apt-get on this machine.
set -eu
dir=$1
mkdir -p "$dir"

if ! command -v kcat >/dev/null && ! command -v apt-get >/dev/null; then
    echo "no kcat on PATH, and no apt-get to fetch it" >&2
    exit 77
fi
if ! command -v kcat >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends kcat
fi
if command -v kcat >/dev/null; then
    ln -sf "$(command -v kcat)" "$dir/kcat"
    exit
fi

cd "$dir"
apt-get download kcat librdkafka1 libyajl2
for package in ./*.deb; do dpkg -x "$package" root; done
cat > kcat <<'SCRIPT'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
for folder in "$root"/usr/lib/*/; do LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; done
export LD_LIBRARY_PATH
exec "$root/usr/bin/kcat" "$@"
SCRIPT
chmod +x kcat
