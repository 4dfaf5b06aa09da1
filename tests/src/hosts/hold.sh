# hold.sh NAME
#
# Keeps the namespaces of one host until standard input is closed. It runs inside them.
set -eu
ip link set lo up
echo "$1" > /proc/sys/kernel/hostname
# A place for mounts and layers that no machine keeps a workspace in, in memory, seen in here only.
mount -t tmpfs tmpfs /sys/fs
: > /sys/fs/hosts
mount --bind /sys/fs/hosts /etc/hosts
echo held
read -r _ || :

# The test is over, or was killed: whatever runs in this network goes, and the network with it. Twice, because the first
# round may meet a process that is about to start another one.
for _ in 1 2; do
    for space in $(find -L /proc/[0-9]*/ns/net -maxdepth 0 -samefile /proc/self/ns/net 2>/dev/null); do
        process=${space#/proc/}
        process=${process%%/*}
        [ "$process" = $$ ] || kill -9 "$process" 2>/dev/null || :
    done
done
