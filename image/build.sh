#!/bin/sh
# image/build.sh OUT [amd64 | arm64]
#
# The static binary of the image: OUT is the file, the architecture that of this machine unless it is named (as docker
# names it in TARGETARCH). What is needed and not there (the target, a C compiler for musl) is installed, if we may.
#
# PROFILE   cargo's profile [release]; the tests take quick, which compiles in a third of the time
#
# Exit status 77: something is needed that is not here and that we may not install.
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
out=$1
case ${2:-$(uname -m)} in
    amd64 | x86_64) arch=x86_64 ;;
    arm64 | aarch64) arch=aarch64 ;;
    *) echo "image/build.sh: $2: expected amd64 or arm64" >&2; exit 2 ;;
esac
target=$arch-unknown-linux-musl
profile=${PROFILE:-release}

dpkg_name() { if [ "$1" = aarch64 ]; then echo arm64; else echo amd64; fi; }

need() { # COMMAND "PACKAGE..."
    command -v "$1" >/dev/null && return
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "no $1 on PATH, and no right to install $2 with apt-get: the static binary needs it" >&2
        exit 77
    fi
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $2
}

# The only C in the binary is zstd. For another machine than this one the compiler of Debian's cross tools does, and the
# linker that Rust brings along.
variable=$(echo "$target" | tr - _)
if [ "$arch" = "$(uname -m)" ]; then
    need musl-gcc musl-tools
    export "CC_$variable=musl-gcc"
    strip=strip
else
    need "$arch-linux-gnu-gcc" "gcc-$(echo "$arch" | tr _ -)-linux-gnu libc6-dev-$(dpkg_name "$arch")-cross"
    export "CC_$variable=$arch-linux-gnu-gcc"
    export "CARGO_TARGET_$(echo "$variable" | tr a-z A-Z)_LINKER=rust-lld"
    strip=$arch-linux-gnu-strip
fi

if ! rustc --print target-libdir --target "$target" >/dev/null 2>&1 ||
    ! [ -d "$(rustc --print target-libdir --target "$target")" ]; then
    if ! command -v rustup >/dev/null; then
        echo "no $target for this rustc, and no rustup to add it: the static binary needs it" >&2
        exit 77
    fi
    rustup target add "$target"
fi

cd "$here/.."
cargo build --locked --quiet --profile "$profile" --target "$target" --package broker-shim --bin corrente
built=${CARGO_TARGET_DIR:-target}/$target/$profile/corrente
mkdir -p "$(dirname -- "$out")"
# Debug lines are half of the file; names of functions stay in, for whoever reads a panic.
"$strip" --strip-debug -o "$out" "$built"
chmod 755 "$out"
# What the image may weigh: it holds this file, links and a few lines of settings.
bytes=$(wc -c <"$out")
if [ "$profile" = release ] && [ "$bytes" -gt 20971520 ]; then
    echo "image/build.sh: $out has $bytes bytes, expected at most 20971520 (20 MiB)" >&2
    exit 1
fi
