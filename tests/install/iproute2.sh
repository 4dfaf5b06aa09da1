#!/bin/sh
# iproute2.sh DIR
#
# What several hosts on one machine want: DIR/ip out of Debian's iproute2, which is installed when it is missing and we
# are root; DIR/unshare, DIR/nsenter (util-linux) and DIR/chroot (coreutils), which every distribution has.
# Exit status 77: one of them is missing and cannot be installed here.
set -eu
dir=$1
mkdir -p "$dir"
PATH=$PATH:/usr/sbin:/sbin

if ! command -v ip >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends iproute2
fi
for tool in ip unshare nsenter chroot; do
    if ! found=$(command -v "$tool"); then
        echo "no $tool on PATH (packages iproute2, util-linux, coreutils)" >&2
        exit 77
    fi
    ln -sf "$found" "$dir/$tool"
done
