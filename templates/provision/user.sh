# Makes a user, or gives one that is there its shell and its groups: NAME UID SHELL HOME GROUP…
# An empty UID, SHELL or HOME is the system's own choice. Nothing is taken away or moved: no account, no group, no file.
name=$1 uid=$2 shell=$3 home=$4
shift 4

has() { command -v "$1" >/dev/null; }
# The line of a name or an id in a file of accounts, /etc/passwd or /etc/group.
entry() { getent "$1" "$2" 2>/dev/null || grep -e "^$2:" -e "^[^:]*:[^:]*:$2:" "/etc/$1" | head -n 1 | grep .; }
field() { entry passwd "$name" | cut -d: -f"$1"; }

create() {
    if [ -n "$uid" ] && owner=$(entry passwd "$uid"); then
        echo "the id $uid is that of user ${owner%%:*}; give $name another \`uid\`, or none"
        exit 1
    fi
    # A package may have made the group.
    group=
    if entry group "$name" >/dev/null; then group=$name; fi
    if has useradd; then
        if [ -z "$shell" ] && [ -x /bin/bash ]; then shell=/bin/bash; fi
        useradd -m ${uid:+-u "$uid"} ${group:+-g "$group"} ${shell:+-s "$shell"} ${home:+-d "$home"} "$name" || exit
    elif has adduser; then
        adduser -D ${uid:+-u "$uid"} ${group:+-G "$group"} ${shell:+-s "$shell"} ${home:+-h "$home"} "$name" || exit
    else
        echo "neither useradd nor adduser is there; their package is often called passwd or shadow"
        exit 127
    fi
}

# Writes an account's shell.
set_shell() {
    if has usermod; then
        usermod -s "$1" "$name"
        return
    fi
    cp -p /etc/passwd /etc/passwd.locker || return
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in "$name":*) line=${line%:*}:$1 ;; esac
        printf '%s\n' "$line"
    done </etc/passwd >/etc/passwd.locker && mv /etc/passwd.locker /etc/passwd
}

if ! id "$name" >/dev/null 2>&1; then
    create
else
    if [ -n "$uid" ] && [ "$(id -u "$name")" != "$uid" ]; then
        had=$(id -u "$name")
        echo "user $name is there with the id $had, not $uid; write \`uid: $had\`, or change it inside with \`usermod -u $uid $name\`, and the owner of its files outside of its home"
        exit 1
    fi
    had=$(field 6)
    # Volumes, other accounts and services may live in it: who knows them moves it.
    if [ -n "$home" ] && [ "$home" != "$had" ] && [ "$home" != "${had%/}" ]; then
        echo "the home of user $name is $had, not $home; nothing is moved: write \`home: $had\`, or move it inside with \`usermod -d $home -m $name\` (-m takes the files along)"
        exit 1
    fi
    if [ -n "$shell" ] && [ "$shell" != "$(field 7)" ]; then
        set_shell "$shell" || exit
    fi
fi
for group; do
    entry group "$group" >/dev/null || groupadd "$group" 2>/dev/null || addgroup "$group" || exit
    if has usermod; then usermod -aG "$group" "$name"; else addgroup "$name" "$group"; fi || exit
done
