# Installs the packages that are named and not there yet.
if command -v apt-get >/dev/null; then
    for name; do
        shift
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || set -- "$@" "$name"
    done
    [ $# != 0 ] || exit 0
fi
install "$@"
