#!/bin/sh
# image/rootfs.sh BINARY FOLDER
#
# The root file system of the image, in a FOLDER that is not there yet, around a statically linked BINARY. The Dockerfile
# and the tests run this very script.
#
#   /bin/corrente            the program; its names on PATH are links to it, it looks at the name it is called by
#   /bin/kafka-topics.sh ... all names in bin/ of the checkout
#   /etc/passwd, group       the user corrente, 1000:0
#   /etc/corrente            server.properties or zookeeper.properties may be mounted here
#   /data                    the data: /data/kafka or /data/zookeeper; group 0 may write, so that any user of it may
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
binary=$1 root=$2

if [ -e "$root" ]; then
    echo "image/rootfs.sh: $root is there already: name a folder that is to be made" >&2
    exit 1
fi
umask 022
mkdir -p "$root/bin" "$root/etc/corrente" "$root/data" "$root/usr/share/doc/corrente"
install -m 755 "$binary" "$root/bin/corrente"
for name in "$here"/../bin/*.sh; do
    ln -s corrente "$root/bin/$(basename -- "$name")"
done
printf '%s\n' 'root:x:0:0:root:/:/none' 'corrente:x:1000:0:Corrente:/data:/none' > "$root/etc/passwd"
printf '%s\n' 'root:x:0:corrente' > "$root/etc/group"
cp "$here/../LICENSE" "$root/usr/share/doc/corrente/"
chmod 775 "$root/data"
# The builder of an image is root; in a test it need not be.
[ "$(id -u)" != 0 ] || chown 1000:0 "$root/data"
