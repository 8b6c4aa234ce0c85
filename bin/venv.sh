# Sourced by the launchers, with $root set: `need_venv` returns once $root/.venv is what requirements.lock says.
#
# A finished .venv holds a stamp: the lock file's checksum and the place it was built at, because an environment that
# is moved keeps pointing at the old place. The stamp is written last, so an environment without it is half made and
# is made again. It is built where it will live, for the same reason; the one it replaces waits beside it and comes
# back when the making fails or is interrupted.

venv=$root/.venv
stamp=$venv/made-from
aside=$root/.venv.aside
claim=$root/.venv.claim
lockfile=$root/requirements.lock

say() { printf 'assistant: %s\n' "$*" >&2; }

wanted_stamp() {
    place=$(CDPATH='' cd -- "$venv" 2>/dev/null && pwd -P) || return 1
    sum=$(cksum <"$lockfile") || return 1
    printf '%s %s' "$sum" "$place"
}

venv_is_current() {
    [ -x "$venv/bin/python" ] && [ -r "$stamp" ] || return 1
    IFS= read -r found <"$stamp" || return 1
    [ "$found" = "$(wanted_stamp)" ]
}

need_venv() {
    venv_is_current && return 0
    claim_the_making || return 0
    trap 'give_up 130' INT
    trap 'give_up 143' TERM
    trap 'give_up 129' HUP
    if ! venv_is_current; then
        log=$(mktemp "${TMPDIR:-/tmp}/assistant-setup.XXXXXX")
        set_aside
        make_venv || give_up 1
        rm -rf "$aside" "$log"
    fi
    trap - INT TERM HUP
    rm -f "$claim"
}

# Returns 1 if someone else has made it meanwhile.
# The claim is a symbolic link that names its owner's process: one atomic step makes it, and it is never half written.
claim_the_making() {
    told=
    tries=0
    until ln -s "$$" "$claim" 2>/dev/null; do
        owner=$(readlink "$claim" 2>/dev/null) || owner=
        if [ -z "$owner" ]; then
            tries=$((tries + 1)) # no claim and none to be made: once may be a race, ever again is a folder one cannot write
            [ "$tries" -lt 20 ] || {
                say "cannot make the Python environment $venv: give yourself write access to $root, or free disk space."
                exit 1
            }
        elif alive "$owner"; then
            [ -n "$told" ] || say "waiting for process $owner, which is making .venv (if it hangs, remove $claim)."
            told=yes
            sleep 1
            ! venv_is_current || return 1
        else
            forget_dead_claim "$owner"
        fi
    done
}

alive() { kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]; }

# Two that find the same dead owner must not both remove the claim: the second would remove the first one's new claim.
forget_dead_claim() {
    if ln -s "$$" "$claim.dead" 2>/dev/null; then
        [ "$(readlink "$claim" 2>/dev/null)" != "$1" ] || rm -f "$claim"
        rm -f "$claim.dead"
    else
        [ -n "$told" ] || say "waiting for another start to clear up (if it hangs, remove $claim.dead)."
        told=yes
        sleep 1
    fi
}

# A finished environment is kept until its successor is ready, a half-made one is not.
set_aside() {
    if [ -e "$stamp" ]; then
        rm -rf "$aside"
        mv "$venv" "$aside"
    else
        rm -rf "$venv"
    fi
}

give_up() {
    trap '' INT TERM HUP
    if [ -n "${log:-}" ] && [ ! -e "$stamp" ]; then
        rm -rf "$venv"
        [ ! -e "$aside" ] || mv "$aside" "$venv"
    fi
    [ "$1" -eq 1 ] || rm -f "${log:-}"
    rm -f "$claim"
    exit "$1"
}

make_venv() {
    python=$(find_python) || python=
    uv=$(command -v uv) || uv=
    if [ -z "$python" ] && [ -z "$uv" ]; then
        say "no Python 3.11 or later found (looked for $pythons): install one, or uv, and start again."
        rm -f "$log"
        return 1
    fi
    if [ -n "$uv" ]; then
        say "making .venv from requirements.lock with uv (once, about ten seconds)."
        with_uv "${python:->=3.11}" >"$log" 2>&1 && finish && return 0
        if lacks_builds; then
            say "a package has no ready-made build for ${python:-this Python}; uv fetches Python $sure for it."
            rm -rf "$venv"
            with_uv "$sure" >>"$log" 2>&1 && finish && return 0
        fi
        [ -n "$python" ] || { explain; return 1; }
        say "uv could not do it; trying $python and pip (about a minute)."
        rm -rf "$venv"
    else
        say "making .venv from requirements.lock with $python and pip (once, about a minute)."
    fi
    with_pip >>"$log" 2>&1 && finish && return 0
    explain
    return 1
}

# Versions for which every package has a wheel come first; what `python3` is cannot be known before.
sure=3.13
pythons='python3.13 python3.11 python3.12 python3.14 python3 python'
find_python() {
    for candidate in $pythons; do
        "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1 || continue
        printf '%s' "$candidate"
        return 0
    done
    return 1
}

# Makes it with the Python that $1 asks for, which uv fetches where there is none.
# uv does not read pip's settings; an index named in pip's environment is meant for it as well.
with_uv() {
    [ -z "${PIP_INDEX_URL:-}" ] || [ -n "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] || {
        UV_DEFAULT_INDEX=$PIP_INDEX_URL
        export UV_DEFAULT_INDEX
    }
    "$uv" venv --quiet --no-project --python "$1" "$venv" </dev/null &&
        "$uv" pip install --quiet --require-hashes --compile-bytecode --python "$venv/bin/python" \
            --requirements "$lockfile" </dev/null
}

# The lock names every package, so pip has nothing to resolve. A machine-wide `user = true` would refuse to work here.
with_pip() {
    "$python" -I -m venv "$venv" </dev/null &&
        PIP_USER=0 "$venv/bin/python" -I -m pip install --quiet --no-input --disable-pip-version-check --no-deps \
            --require-hashes --requirement "$lockfile" </dev/null
}

finish() {
    "$venv/bin/python" -I -m compileall -q "$root/pipeline" "$root/actors" "$root/tools" "$root/telemetry" \
        "$root/bin" >/dev/null 2>&1 || : # only the first start would be slower
    [ -x "$venv/bin/python" ] && wanted_stamp >"$stamp.new" && printf '\n' >>"$stamp.new" && mv "$stamp.new" "$stamp"
}

lacks_builds() { grep -qiE 'failed building wheel|failed to build|no usable wheels|no wheels with a matching' "$log"; }

explain() {
    if grep -qi 'ensurepip' "$log"; then
        why="$python cannot make environments: install its venv module (Debian and Ubuntu: apt install python3-venv)"
    elif grep -qiE 'hash(es)? (mismatch|do not match)|hash mismatch' "$log"; then
        why='a package is not the one requirements.lock names: check the package index this machine uses'
    elif grep -qi 'no space left' "$log"; then
        why='the disk is full: make about 500 MB of room'
    elif grep -qiE 'connection|connect error|dns|name resolution|timed out|unreachable|error sending request' "$log"; then
        why='the package index cannot be reached: check the network and proxy settings'
    elif lacks_builds; then
        why='a package has no ready-made build for this Python: install Python 3.13 or 3.11, or a C compiler'
    else
        why='the installation failed'
    fi
    say "could not make .venv: $why, then start again (details in $log)."
}
