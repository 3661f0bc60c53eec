//! What a virtual test host boots: a kernel of its own, and the root file system of the test hosts on a disk.
//!
//! Made once beside that root file system and keyed by its recipe. Nothing writes to it: a virtual
//! machine keeps what it changes to itself.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian_image;
use crate::image::{self, Release};

/// Makes `vmlinuz`, `initrd` and `root.ext4` in the directory `$2` from the root file system `$1`.
///
/// In the host an agent takes scripts from a virtio port, and answers with exit code, output and errors.
/// The disk is mounted by hand, since Debian's kernel has its driver as a module. The kernel is the release's own:
/// of another one than this machine's its package lies in the root file system.
const MAKE: &str = r#"
set -eu
rootfs=$1
cd "$2"
if ! cp "$rootfs"/var/cache/linux-image-*.deb . 2>/dev/null; then
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
    apt-get -q download "$package" || { apt-get -q update; apt-get -q download "$package"; }
fi
mkdir -p kernel upper/usr/lib upper/usr/sbin upper/usr/local/sbin work tree initrd/bin initrd/dev initrd/proc initrd/root
dpkg -x linux-image-*.deb kernel
modules=kernel/lib/modules
[ -d $modules ] || modules=kernel/usr/lib/modules
version=$(ls $modules)
mv kernel/boot/vmlinuz-* vmlinuz
mv $modules upper/usr/lib/modules
[ -e "$rootfs/usr/sbin/modprobe" ] || ln -s /bin/busybox upper/usr/sbin/modprobe

units=upper/etc/systemd/system
mkdir -p $units/multi-user.target.wants
cat > upper/usr/local/sbin/agent <<'EOT'
#!/bin/bash
exec 3<>/dev/vport*p1
echo ready >&3
while read -r length <&3; do
    head -c "$length" <&3 >/run/agent.sh
    timeout -k 5 240 bash /run/agent.sh </dev/null >/run/agent.out 2>/run/agent.err 3>&-
    code=$? out=$(stat -c %s /run/agent.out) err=$(stat -c %s /run/agent.err)
    { echo "$code $out $err"; head -c "$out" /run/agent.out; head -c "$err" /run/agent.err; } >&3
done
EOT
chmod 755 upper/usr/local/sbin/agent
cat > $units/agent.service <<'EOT'
[Unit]
Description=runs what the tests say
[Service]
ExecStart=/usr/local/sbin/agent
Environment=PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
KillMode=process
EOT
ln -s ../agent.service $units/multi-user.target.wants/
echo testhost > upper/etc/hostname

unshare -m sh -euc '
    mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" tree
    if [ -x tree/usr/sbin/depmod ]; then chroot tree depmod "$2"; else chroot tree /bin/busybox depmod "$2"; fi
    rm -f tree/var/cache/linux-image-*.deb
    truncate -s 3G root.ext4
    mke2fs -q -t ext4 -O ^has_journal -d tree root.ext4
' sh "$rootfs" "$version"

cp /bin/busybox initrd/bin/
cd upper/usr
{ echo "lib/modules/$version/modules.dep"
  find "lib/modules/$version" -path '*/drivers/virtio/*' -o -name 'virtio_blk.ko*' -o -name 'virtio_console.ko*'
} | cpio -o -H newc --quiet | (cd ../../initrd; cpio -idm --quiet)
cd ../../initrd
# What is compressed the initrd's own modprobe does not read.
find . -name '*.ko.xz' -exec xz -d {} +
sed -i 's/\.ko\.xz/.ko/g' "lib/modules/$version/modules.dep"
cat > init <<'EOT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for module in virtio_pci virtio_blk virtio_console; do modprobe $module; done
mount -t ext4 -o rw,noatime /dev/vda /root
cp /locker /root/usr/local/bin/locker
umount /proc
mount --move /dev /root/dev
exec switch_root /root /lib/systemd/systemd
EOT
chmod 755 init
find . | cpio -o -H newc --quiet > ../initrd.cpio
cd ..
rm -rf kernel upper work tree initrd ./*.deb
mv initrd.cpio initrd
"#;

/// A disk with the root file system of Debian containers, beside that.
pub fn debian() -> PathBuf {
    let rootfs = debian_image::rootfs();
    let home = rootfs
        .parent()
        .expect("a root file system is in a directory");
    let disk = home.join("debian.ext4");
    let lock = File::create(home.join("disk.lock")).expect("the lock file can be made");
    lock.lock().expect("the lock can be taken");
    if !disk.exists() {
        let unfinished = home.join("debian.unfinished");
        let made = File::create(&unfinished).and_then(|file| file.set_len(1 << 30));
        made.expect("the disk can be made");
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.args(["-q", "-F", "-t", "ext4", "-d"]);
        image::run(mke2fs.args([&rootfs, &unfinished]));
        fs::rename(&unfinished, &disk).expect("the disk can be put in place");
    }
    disk
}

/// The directory with a release's `vmlinuz`, `initrd` and `root.ext4`; makes it first when it is not there.
pub fn directory(release: Release) -> PathBuf {
    let rootfs = image::rootfs_of(release);
    let home = rootfs
        .parent()
        .expect("a root file system is in a directory");
    let mut hasher = DefaultHasher::new();
    MAKE.hash(&mut hasher);
    let made = home.join(format!("vm-{:016x}", hasher.finish()));
    if made.exists() {
        return made;
    }
    let lock = File::create(home.join("vm.lock")).expect("the lock file can be made");
    lock.lock().expect("the lock can be taken");
    if !made.exists() {
        make(&rootfs, &home.join("vm-unfinished"), &made);
    }
    made
}

fn make(rootfs: &Path, unfinished: &Path, made: &Path) {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).expect("an unfinished image can be removed");
    }
    fs::create_dir_all(unfinished).expect("the image's directory can be made");
    eprintln!("making the disk of the virtual test hosts (some ten seconds)");
    let words = ["-c", MAKE, "make"];
    image::run(Command::new("bash").args(words).args([rootfs, unfinished]));
    fs::rename(unfinished, made).expect("the image can be put in place");
}
