#!/bin/sh
# Make sure there is a Chromium for the browser tests, installing Debian's where we may. Without one they fail and say so.
set -eu
if [ "${NO_BROWSER:-}" = 1 ] && [ -z "${CI:-}" ]; then exit 0; fi
for name in ${CHROMIUM:-} chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests" >&2
    if apt-get update -qq >/dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
        exit 0
    fi
fi
echo "No Chromium was found: the browser tests will fail. Install it (apt install chromium), or leave them out: NO_BROWSER=1 make test" >&2
