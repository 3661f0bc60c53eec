# Makes the locale, where it has to be made, and the one of all logins.
name=$1
charset=${name#*.}
[ "$charset" != "$name" ] || charset=UTF-8
charset=${charset%@*}
language=${name%%[._@]*}

# Whether the C library has it; it writes `de_DE.UTF-8` as `de_DE.utf8`.
is_there() { locale -a 2>/dev/null | tr A-Z a-z | tr -d - | grep -Fqx "$(echo "$name" | tr A-Z a-z | tr -d -)"; }
is_musl() { ls /lib/ld-musl-* >/dev/null 2>&1; }

# By a list of locales that are made anew: Debian, Arch and their kin.
generate() {
    grep -Fqx "$name $charset" /etc/locale.gen 2>/dev/null || echo "$name $charset" >>/etc/locale.gen
    locale-gen
}

make() {
    if command -v apt-get >/dev/null && ! command -v locale-gen >/dev/null; then install locales; fi
    if command -v locale-gen >/dev/null; then
        generate || exit
    elif command -v dnf >/dev/null || command -v microdnf >/dev/null; then
        install "glibc-langpack-$language"
    elif command -v zypper >/dev/null; then
        install glibc-locale
    elif command -v localedef >/dev/null; then
        localedef -i "${name%%.*}" -f "$charset" "$name" || exit
    else
        echo "nothing here can make the locale $name (locale-gen, localedef, glibc-langpack); make it in setup, or write C.UTF-8"
        exit 1
    fi
    if command -v locale >/dev/null && ! is_there; then
        echo "the C library still has no locale $name; \`locale -a\` inside shows those that are there"
        exit 1
    fi
}

case $name in
C | C.* | POSIX) ;;
*)
    if is_musl; then
        # Its locales are words alone: any name is one, and all of them are UTF-8.
        if [ "$charset" != UTF-8 ]; then
            echo "musl, the C library here, knows UTF-8 alone; write ${name%%[.@]*}.UTF-8"
            exit 1
        fi
    elif ! is_there; then
        make
    fi
    ;;
esac
if [ -e /etc/default/locale ] || [ -e /etc/debian_version ]; then
    mkdir -p /etc/default && echo "LANG=$name" >/etc/default/locale || exit
    # systemd reads this one; Debian 13 has it as a link to the other.
    [ -L /etc/locale.conf ] || [ ! -e /etc/locale.conf ] || echo "LANG=$name" >/etc/locale.conf || exit
else
    echo "LANG=$name" >/etc/locale.conf || exit
fi
# Without systemd and PAM a login has it from its shell.
if is_musl; then mkdir -p /etc/profile.d && echo "export LANG=$name" >/etc/profile.d/00-locker-locale.sh; fi
