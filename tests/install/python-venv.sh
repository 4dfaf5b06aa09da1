#!/bin/sh
# python-venv.sh DIR OLDEST NEWEST REQUIREMENT...
#
# A virtual environment in DIR on some Python 3.OLDEST to 3.NEWEST, with the requirements installed by pip.
# Exit status 77: no such Python on this machine.
set -eu
dir=$1 oldest=$2 newest=$3
shift 3

fits() { # is it a program that runs and is a Python of the wanted range?
    "$1" -c "import sys; sys.exit(not ((3, $oldest) <= sys.version_info[:2] <= (3, $newest)))" >/dev/null 2>&1
}

find_python() {
    minor=$newest
    while [ "$minor" -ge "$oldest" ]; do
        for python in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3; do
            if fits "$python"; then
                echo "$python"
                return
            fi
        done
        minor=$((minor - 1))
    done
    if fits python3; then echo python3; fi
}

python=$(find_python)
if [ -z "$python" ]; then
    echo "no Python 3.$oldest to 3.$newest found (looked for python3.N and python3 on PATH, and under pyenv)" >&2
    exit 77
fi

# Debian splits the module that makes environments off its Python.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q && apt-get install -y -q python3-venv
fi
"$python" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
