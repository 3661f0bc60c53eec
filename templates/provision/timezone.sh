# Sets the time zone.
zone=/usr/share/zoneinfo/$1
if [ ! -f "$zone" ]; then
    echo "there is no time zone $1 yet; the package of all is installed"
    if command -v zypper >/dev/null; then install timezone; else install tzdata; fi
fi
if [ ! -f "$zone" ]; then
    echo "there is no time zone $1 in /usr/share/zoneinfo"
    exit 1
fi
ln -sfn "$zone" /etc/localtime || exit
if [ -e /etc/timezone ] || [ -e /etc/debian_version ]; then echo "$1" >/etc/timezone; fi
