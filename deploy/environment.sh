# Sourced by deploy/demo and deploy/test: `prepare runtime` or `prepare dev` makes .venv at the
# checkout's root hold exactly what the lock says, and the package itself.
#
# Needs only Python 3.11 or newer with venv. Nothing it prints goes to standard output. When .venv is
# already right it costs one comparison; two that start together wait for each other.
# shellcheck shell=bash

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

say() { printf 'deltaband: %s\n' "$*" >&2; }

# The first Python here that is new enough.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "needs Python 3.11 or newer; none of python3, python3.13, python3.12, python3.11 is (set PYTHON=/path/to/python)"
    return 1
}

lock_of() {
    case $1 in
        runtime) echo "$root/deploy/requirements.lock" ;;
        dev) echo "$root/deploy/requirements-dev.lock" ;;
    esac
}

# Everything that the environment depends on, in one stream: compared, not hashed, so that no tool is needed.
wanted() { cat -- "$(lock_of "$1")" "$root/pyproject.toml"; }

# A virtual environment may neither move nor outlive its interpreter.
identity() { printf '%s\n' "$root" && "$1" -c 'import sys; print(*sys.version_info[:3])'; }

is_alive() {
    [[ -x $venv/bin/python && -f $venv/identity ]] &&
        cmp -s "$venv/identity" <(identity "$venv/bin/python" 2>/dev/null)
}

is_ready() { [[ -x $venv/bin/deltaband ]] && is_alive && cmp -s "$venv/installed-$1" <(wanted "$1"); }

create() {
    local python
    python=$(find_python)
    say "creating .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" >&2 || {
        say "$python cannot create a virtual environment (on Debian and Ubuntu: apt-get install python3-venv)"
        return 1
    }
    identity "$venv/bin/python" >"$venv/identity"
}

# uv takes a tenth of pip's time; pip is there for machines whose registry only pip is configured for.
install() {
    if [[ -x $venv/bin/uv ]] && "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" "$@" >&2; then
        return
    fi
    say "installing with pip instead, which takes a minute or two"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
}

install_all() {
    say "installing the $1 lock (once; again when it changes)"
    [[ -x $venv/bin/uv ]] ||
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r "$root/deploy/requirements-installer.lock" >&2 ||
        say "could not install uv"
    install --require-hashes -r "$(lock_of "$1")"
    install --no-deps --no-build-isolation --editable "$root"
    # Once now rather than at every start: ccxt alone is 6 s of compiling where nothing may be cached.
    "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >&2 || say "some libraries did not compile"
    if [[ $1 == dev ]]; then
        wanted runtime >"$venv/installed-runtime"  # the development lock holds the whole runtime lock
    fi
    wanted "$1" >"$venv/installed-$1"
}

# Where Python may write no bytecode, each process would compile all of ours again: 0.7 s of every start.
compile_ours() { "$venv/bin/python" -m compileall -q "$root/bot" >&2 || say "our own code did not compile"; }

prepare() {
    if ! is_ready "$1"; then
        install_alone "$1"
    fi
    compile_ours
}

install_alone() {
    # Held on this file's descriptor, so it ends with this process however it ends.
    exec 9<"$root/deploy/environment.sh"
    "$(find_python)" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    if ! is_ready "$1"; then
        is_alive || create
        install_all "$1"
    fi
    exec 9<&-
}
