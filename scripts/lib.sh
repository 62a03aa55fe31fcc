# Sourced by the other scripts: steps with their seconds, and "nothing changed" by hash.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export SQLX_OFFLINE=true

# step NAME COMMAND…: runs it, prints one line with the seconds; its output only when it fails.
step() {
    local name=$1 start log
    shift
    start=$(date +%s%N)
    mkdir -p target/logs
    log=target/logs/$(tr -c 'a-z0-9\n' - <<<"$name").log
    if "$@" >"$log" 2>&1; then
        printf '%-44s %6s s\n' "$name" "$(seconds_since "$start")"
    else
        local status=$?
        tail -n 60 "$log" >&2
        printf '%-44s %6s s  failed\n' "$name" "$(seconds_since "$start")" >&2
        return "$status"
    fi
}

# aloud NAME COMMAND…: the same, with the output shown while it runs, for steps that take minutes.
aloud() {
    local name=$1 start
    shift
    start=$(date +%s%N)
    "$@"
    printf '%-44s %6s s\n' "$name" "$(seconds_since "$start")"
}

seconds_since() {
    local ms=$((($(date +%s%N) - $1) / 1000000))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# hash_of PATH…: one hash over the names and contents of all files below the paths.
hash_of() {
    find "$@" -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# unchanged STAMP HASH: whether the last `remember` of this stamp had the same hash.
unchanged() {
    [ "$(cat "target/stamps/$1" 2>/dev/null)" = "$2" ]
}

remember() {
    mkdir -p target/stamps
    printf '%s\n' "$2" >"target/stamps/$1"
}

# node_modules DIR: installs the locked packages of a folder, unless they already are.
node_modules() {
    local dir=$1 hash stamp
    stamp=node-$(tr / - <<<"$dir")
    hash=$(node --version; hash_of "$dir/package.json" "$dir/package-lock.json")
    if [ -d "$dir/node_modules" ] && unchanged "$stamp" "$hash"; then
        return
    fi
    (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || return
    remember "$stamp" "$hash"
}

# python_tools: installs the pinned judges of the tests in .venv, unless they already are.
python_tools() {
    local hash
    hash=$(python3 --version; hash_of tests/requirements.txt)
    if [ -x .venv/bin/pytest ] && unchanged venv "$hash"; then
        return
    fi
    rm -rf .venv
    python3 -m venv .venv || return
    .venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt || return
    remember venv "$hash"
}

# web_dist: builds the web app, unless it is fresh.
web_dist() {
    local hash
    hash=$(hash_of web/src web/public web/index.html web/vite.config.ts web/tsconfig.json web/package-lock.json)
    if [ -f web/dist/index.html ] && unchanged web-dist "$hash"; then
        return
    fi
    (cd web && npm run --silent build) || return
    remember web-dist "$hash"
}
