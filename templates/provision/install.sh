# Installs packages with the container's own package manager, which asks nothing, looks at fresh lists, and waits for
# another one that works: a system that has just come up may be updating itself.

# Runs apt-get. It waits for dpkg's lock by itself, for its own lists it does not; and where dpkg was stopped half way it
# refuses to do anything before that goes on.
apt() {
    begun=$(date +%s) mended=
    while :; do
        said=$(LC_ALL=C apt-get -q -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null) && code=0 || code=$?
        printf '%s\n' "$said"
        [ "$code" != 0 ] || return 0
        case $said in
        *'Could not get lock '*) [ $(($(date +%s) - begun)) -lt 300 ] && sleep 2 || return "$code" ;;
        *'dpkg was interrupted'*) [ -z "$mended" ] && mended=1 && mend_dpkg || return "$code" ;;
        *) return "$code" ;;
        esac
    done
}

mend_dpkg() {
    echo "dpkg was stopped half way here: dpkg --configure -a"
    dpkg --configure -a --force-confdef --force-confold </dev/null 2>&1 && return
    echo "dpkg cannot go on; mend it inside with \`dpkg --configure -a\` and \`apt-get -f install\`"
    return 1
}

# Leaves the script when they cannot be installed.
install() {
    if command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        # A list that is there may be old; without one nothing is found.
        apt -o APT::Update::Error-Mode=any update || exit
        apt -y --no-install-recommends -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$@" || exit
    elif command -v apk >/dev/null; then
        apk add -U --wait 300 "$@" || exit
    elif command -v dnf >/dev/null; then
        dnf -y --refresh install "$@" || exit
    elif command -v microdnf >/dev/null; then
        microdnf -y install "$@" || exit
    elif command -v yum >/dev/null; then
        yum -y install "$@" || exit
    elif command -v zypper >/dev/null; then
        export ZYPP_LOCK_TIMEOUT=300
        zypper --non-interactive refresh && zypper --non-interactive install "$@"
        case $? in
        0 | 102 | 103) ;; # installed, and something is to be started anew
        *) exit 1 ;;
        esac
    elif command -v pacman >/dev/null; then
        # Its packages fit those of the same day alone, so that all others come along.
        pacman -Syu --noconfirm --needed "$@" || exit
    else
        echo "no package manager is known here (apt-get, apk, dnf, yum, zypper, pacman); use setup for it"
        exit 127
    fi
}
