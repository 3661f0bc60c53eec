# Makes a user, or gives one that is there its shell, its home directory and its groups: NAME UID SHELL HOME GROUP…
# An empty UID, SHELL or HOME is the system's own choice. Nothing is taken away: no account, no group, no file.
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

# Writes an account's home and shell: HOME SHELL.
set_account() {
    if has usermod; then
        usermod -d "$1" -s "$2" "$name"
        return
    fi
    cp -p /etc/passwd /etc/passwd.locker || return
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in "$name":*) line=${line%:*:*}:$1:$2 ;; esac
        printf '%s\n' "$line"
    done </etc/passwd >/etc/passwd.locker && mv /etc/passwd.locker /etc/passwd
}

# Gives it another home: HAD SHELL. What is the user's own moves along, first of all, so that a run that is cut off here
# goes on the next time; `/` and other directories of the system are the home of many an account, and stay.
move_home() {
    moves=
    if [ ! -h "$1" ] && [ -d "$1" ] && [ "$(stat -c %u "$1")" = "$(id -u "$name")" ]; then moves=1; fi
    if [ -n "$moves" ] && [ -e "$home" ]; then
        if [ -n "$(ls -A "$1")" ]; then
            echo "the home of $name is $1 and holds files, and $home is there already; neither is touched: move what is to stay, set the home with \`usermod -d $home $name\` (or in /etc/passwd), or write \`home: $1\`"
            exit 1
        fi
        moves=
    fi
    if [ -n "$moves" ]; then
        mkdir -p "${home%/*}/" && mv "$1" "$home" || exit
    fi
    if ! set_account "$home" "$2"; then
        if [ -n "$moves" ]; then mv "$home" "$1"; fi
        echo "the home of $name stays $1; if the user is logged in or runs a process, end that first"
        exit 1
    fi
    if [ ! -e "$home" ]; then
        mkdir -p "$home" && chown "$name:$(id -g "$name")" "$home" || exit
    fi
    if [ -n "$moves" ]; then echo "the home of $name has moved from $1 to $home"; else echo "the home of $name is $home now; $1 stays as it is"; fi
}

if ! id "$name" >/dev/null 2>&1; then
    create
else
    if [ -n "$uid" ] && [ "$(id -u "$name")" != "$uid" ]; then
        had=$(id -u "$name")
        echo "user $name is there with the id $had, not $uid; write \`uid: $had\`, or change it inside with \`usermod -u $uid $name\`, and the owner of its files outside of its home"
        exit 1
    fi
    had=$(field 6) old_shell=$(field 7)
    [ -n "$shell" ] || shell=$old_shell
    if [ -n "$home" ] && [ "$home" != "$had" ]; then
        move_home "$had" "$shell"
    elif [ "$shell" != "$old_shell" ]; then
        set_account "$had" "$shell" || exit
    fi
fi
for group; do
    entry group "$group" >/dev/null || groupadd "$group" 2>/dev/null || addgroup "$group" || exit
    if has usermod; then usermod -aG "$group" "$name"; else addgroup "$name" "$group"; fi || exit
done
