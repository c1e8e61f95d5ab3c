# What the machine does to itself, once its packages are unpacked; tools/persona-build runs it there.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
set -e
cd /

rm -f /etc/pam.d/common-*
dpkg --configure -a --force-confold >&2
sed -i 's/^#PermitRootLogin .*/PermitRootLogin yes/' /etc/ssh/sshd_config
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed

# All that is there, and of it what has changed.
mounts='-path ./dev -o -path ./proc -o -path ./run -o -path ./sys'
find . \( $mounts \) -prune -print0 -o -print0 >/run/NAMES
find . \( $mounts \) -prune -o -newerct "@$SECONDS_THEN" -print0 >/run/changed
tar -cf - --no-recursion --null --files-from=/run/changed -C /run NAMES
