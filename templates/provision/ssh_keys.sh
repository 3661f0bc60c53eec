# Writes the block of public keys of a user: NAME KEY…; what others have put into the file stays. It runs as that user,
# so that a link in the home directory leads to nothing that is somebody else's.
name=$1
shift
home=$(getent passwd "$name" 2>/dev/null | cut -d: -f6)
[ -n "$home" ] || home=$(grep "^$name:" /etc/passwd | cut -d: -f6)
if [ -z "$home" ]; then echo "there is no user $name"; exit 1; fi
file=$home/.ssh/authorized_keys
[ $# != 0 ] || [ -e "$file" ] || exit 0
umask 077
{
    if [ -e "$file" ]; then sed '/^# >>> locker$/,/^# <<< locker$/d' "$file" || exit; fi
    if [ $# != 0 ]; then
        echo '# >>> locker'
        for key; do echo "$key"; done
        echo '# <<< locker'
    fi
} >"$file.locker" || exit
chmod 600 "$file.locker" && mv "$file.locker" "$file"
