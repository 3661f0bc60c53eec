# Sets the time zone.
zone=/usr/share/zoneinfo/$1
if [ ! -f "$zone" ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o APT::Update::Error-Mode=any update && apt-get -q -y --no-install-recommends install tzdata || exit
fi
if [ ! -f "$zone" ]; then
    echo "there is no time zone $1 in /usr/share/zoneinfo; its package is often called tzdata"
    exit 1
fi
ln -sfn "$zone" /etc/localtime || exit
if [ -e /etc/timezone ] || [ -e /etc/debian_version ]; then echo "$1" >/etc/timezone; fi
