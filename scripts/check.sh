#!/bin/sh
# Run every static check and report all that fail, not only the first.
set -u
cd "$(dirname "$0")/.."
python=.venv/bin/python
failed=""

step() { # step "name" command…
    name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed="$failed, $name"
}

secrets() {
    git ls-files -z -- . ':!requirements*.txt' ':!*.xsd' | xargs -0 "$python" -m detect_secrets.pre_commit_hook --baseline .secrets.baseline
}

templates() {
    "$python" -m djlint templates --lint --quiet
}

migrations() { # those since the latest release meet data and older code; before the first one every table is new and empty
    if since=$(git describe --tags --abbrev=0 2>/dev/null); then
        set -- "$since"
    else
        set -- --exclude-migration-tests NOT_NULL ALTER_COLUMN RENAME_COLUMN ADD_UNIQUE DROP_INDEX CREATE_INDEX CREATE_INDEX_EXCLUSIVE
    fi
    report=$(EXTRA_APPS=django_migration_linter "$python" manage.py lintmigrations "$@" \
        --no-cache --quiet ok ignore --include-apps backoffice payouts billing fraud 2>&1) || { printf '%s\n' "$report"; return 1; }
}

audit() { # --strict, but a service that cannot be asked is said loudly instead of failing: offline machines must be able to check
    report=$(timeout 180 "$python" -m pip_audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements.txt 2>&1) && {
        echo "no known vulnerabilities"
        return 0
    }
    case $report in
        *"known vulnerabilit"*) ;;
        *)
            partly=$(timeout 180 "$python" -m pip_audit --progress-spinner off --disable-pip --require-hashes -r requirements.txt 2>&1)
            case $partly in
                *"Found "*"known vulnerabilit"*) report=$partly ;;
                *)
                    echo "**********************************************************************"
                    echo "dependency audit: NOT CHECKED (advisory service unreachable or incomplete)"
                    printf '%s\n' "$report" | tail -1
                    echo "**********************************************************************"
                    return 0
                    ;;
            esac
            ;;
    esac
    printf '%s\n' "$report"
    return 1
}

step "format" "$python" -m ruff format --check --quiet .
step "lint" "$python" -m ruff check --quiet .
step "types" "$python" -m mypy
step "imports" .venv/bin/lint-imports --no-cache
step "system checks" "$python" manage.py check --fail-level WARNING
step "migrations complete" "$python" manage.py makemigrations --check --dry-run
step "migrations safe" migrations
step "templates" templates
step "secrets" secrets
step "dependency audit" audit
step "sizes" "$python" scripts/sizes.py

if [ -n "$failed" ]; then
    printf 'FAILED: %s\n' "${failed#, }"
    exit 1
fi
echo "All checks passed."
