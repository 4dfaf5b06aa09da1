# root.sh IMAGE LAYER
#
# LAYER/root becomes the root folder of a container: IMAGE, which is not changed, with a layer of its own above it, the
# names this host knows, and the kernel's folders.
set -eu
image=$1 layer=$2
mkdir -p "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=$image,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
cd "$layer/root"
mkdir -p proc dev etc
[ -e etc/hosts ] || : > etc/hosts
mount --rbind /proc proc
mount --rbind /dev dev
mount --bind /etc/hosts etc/hosts
