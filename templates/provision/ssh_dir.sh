# Makes the directory of a user's public keys and gives it to the user: NAME KEY…. It runs as root and follows no link in
# a home directory: mkdir(1) makes nothing behind one, and `chown -h` gives away the link itself.
name=$1
[ $# -gt 1 ] || exit 0
home=$(getent passwd "$name" 2>/dev/null | cut -d: -f6)
[ -n "$home" ] || home=$(grep "^$name:" /etc/passwd | cut -d: -f6)
if [ -z "$home" ]; then
    echo "there is no user $name any more; make it again inside (\`useradd -m $name\`), or take it out of the file"
    exit 1
fi
[ -d "$home" ] || mkdir -p "$home" || exit
[ -h "$home/.ssh" ] || [ -e "$home/.ssh" ] || mkdir -m 700 "$home/.ssh" || exit
chown -h "$name:$(id -g "$name")" "$home/.ssh"
