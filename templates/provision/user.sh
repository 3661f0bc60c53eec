# Makes a user, or gives one that is there the shell and the groups: NAME UID SHELL HOME GROUP…
# An empty UID, SHELL or HOME is the system's own choice.
name=$1 uid=$2 shell=$3 home=$4
shift 4
if ! id "$name" >/dev/null 2>&1; then
    if command -v useradd >/dev/null; then
        if [ -z "$shell" ] && [ -x /bin/bash ]; then shell=/bin/bash; fi
        useradd -m ${uid:+-u "$uid"} ${shell:+-s "$shell"} ${home:+-d "$home"} "$name" || exit
    elif command -v adduser >/dev/null; then
        adduser -D ${uid:+-u "$uid"} ${shell:+-s "$shell"} ${home:+-h "$home"} "$name" || exit
    else
        echo "neither useradd nor adduser is there; their package is often called passwd or shadow"
        exit 127
    fi
else
    if [ -n "$uid" ] && [ "$(id -u "$name")" != "$uid" ]; then
        echo "user $name is there with the id $(id -u "$name"), not $uid; files that belong to it would be nobody's"
        exit 1
    fi
    if [ -n "$shell" ] && command -v usermod >/dev/null; then usermod -s "$shell" "$name" || exit; fi
fi
for group; do
    grep -q "^$group:" /etc/group || groupadd "$group" 2>/dev/null || addgroup "$group" || exit
    if command -v usermod >/dev/null; then usermod -aG "$group" "$name"; else addgroup "$name" "$group"; fi || exit
done
