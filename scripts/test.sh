#!/bin/sh
# Run the tests: with arguments exactly those, else everything: first what shares a server's databases, then what starts processes of its own.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
if [ "$#" -gt 0 ]; then exec "$python" -m pytest "$@"; fi

alone="chaos or browser"
if [ "${NO_BROWSER:-}" = 1 ] && [ -z "${CI:-}" ]; then alone="chaos and not browser"; fi
result=0
"$python" -m pytest -m "not ($alone) and not browser and not bench" -n "${WORKERS:-2}" --dist loadfile || result=1
"$python" -m pytest -m "$alone" -n "${WORKERS:-2}" --dist loadfile || result=1
exit $result
