#!/bin/sh
# Make .venv and install a lock into it: `scripts/environment.sh [dev]`. Does nothing, quickly, when nothing changed.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    say "Python 3.11 or newer is needed and was not found. Install it, or name it: make setup PYTHON=/path/to/python3"
    exit 1
}

make_venv() {
    python=$(find_python)
    say "Making .venv with $("$python" --version)"
    rm -rf .venv
    if "$python" -m venv .venv >/dev/null 2>&1; then return; fi
    rm -rf .venv
    # Debian keeps ensurepip in a package of its own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing python3-venv"
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv .venv && return
    fi
    say "$python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"
    exit 1
}

install() { # a lock that is in place is remembered by its copy inside .venv
    if cmp -s "$1" ".venv/installed-$1"; then return; fi
    say "Installing $1 (a minute or two the first time)"
    rm -f ".venv/installed-$1"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1" || {
        say "The packages of $1 could not be installed. Is the package index reachable?"
        exit 1
    }
    cp "$1" ".venv/installed-$1"
}

lock=.setup.lock
if command -v flock >/dev/null 2>&1 && [ "${SETUP_LOCKED:-}" != 1 ]; then # two `make`s at once take turns
    exec env SETUP_LOCKED=1 flock "$lock" "$0" "$@"
fi
# A virtual environment holds its own path: one that was moved or copied here is made anew.
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 ||
    ! grep -qsF "$(pwd -P)/.venv" .venv/bin/activate; then
    make_venv
fi
install requirements.txt
if [ "${1:-}" = dev ]; then install requirements-dev.txt; fi
