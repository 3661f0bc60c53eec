# Makes a Debian machine fit: packages and a Rust toolchain. Sourced by tests/run.sh and
# examples/quickstart/run.sh. Installs only what is missing and starts nothing.

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need_packages NAME…: one apt call, and only when something is missing.
need_packages() {
    missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "missing packages: ${missing[*]}; run: sudo apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update || say "apt-get update had problems; trying with the lists that are there"
    apt-get -q install -y --no-install-recommends "${missing[@]}" </dev/null || die "apt-get could not install ${missing[*]}"
}

# need_rust VERSION: cargo of at least that version on PATH; rustup brings it, since Debian's is older.
need_rust() {
    [ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] && PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
    if [ -n "$have" ] && [ "$(printf '%s\n' "$1" "$have" | sort -V | head -n1)" = "$1" ]; then
        return 0
    fi
    say "installing Rust with rustup (cargo ${have:-is missing}; locker needs $1 or newer)"
    if command -v rustup >/dev/null; then
        rustup toolchain install stable --profile minimal -c rustfmt -c clippy && rustup default stable
    else
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -y --profile minimal -c rustfmt -c clippy --default-toolchain stable
    fi || die "Rust could not be installed; install cargo $1 or newer from https://rustup.rs and run this again"
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
}
