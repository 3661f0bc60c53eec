# Makes the locale, where it has to be made, and the one of all logins.
name=$1 charset=${1#*.}
[ "$charset" != "$1" ] || charset=UTF-8
charset=${charset%@*}
case $name in
C | C.* | POSIX) ;;
*)
    if ! command -v locale-gen >/dev/null && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q -o APT::Update::Error-Mode=any update && apt-get -q -y --no-install-recommends install locales || exit
    fi
    if command -v locale-gen >/dev/null; then
        grep -qx "$name $charset" /etc/locale.gen 2>/dev/null || echo "$name $charset" >>/etc/locale.gen
        locale-gen || exit
    fi
    ;;
esac
if [ -d /etc/default ] || [ -e /etc/debian_version ]; then
    mkdir -p /etc/default && echo "LANG=$name" >/etc/default/locale || exit
    # systemd reads this one; Debian 13 has it as a link to the other.
    [ -L /etc/locale.conf ] || [ ! -e /etc/locale.conf ] || echo "LANG=$name" >/etc/locale.conf
else
    echo "LANG=$name" >/etc/locale.conf
fi
