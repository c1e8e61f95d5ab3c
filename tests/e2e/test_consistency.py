"""One machine from every side: each figure that can be seen in two places is the same in both. Two
installations share nothing of what should be one's own; one is the same after a restart."""
import asyncio
import re

import asyncssh
import pytest

from conftest import Honeypot, plant_seed

OPTIONS = dict(username="root", password="123456", known_hosts=None, client_keys=None, config=None,
               agent_path=None)


async def ask_over(port, lines, terminal):
    async with asyncssh.connect("127.0.0.1", port, **OPTIONS) as connection:
        answers = []
        for line in lines:
            run = connection.run(line, stdin=asyncssh.DEVNULL, term_type="xterm" if terminal else None)
            answers.append((await run).stdout.replace("\r\n", "\n"))
        return answers


def ask(pot, *lines, terminal=False):
    """What each line prints, all in one session."""
    answers = asyncio.run(ask_over(pot.port, lines, terminal))
    return answers[0] if len(lines) == 1 else answers


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    pot = Honeypot(tmp_path_factory.mktemp("machine"))
    yield pot
    pot.stop()


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    assert found, (pattern, text)
    return int(found.group(1))


def test_the_name_is_one_everywhere(machine):
    answers = ask(machine, "hostname", "uname -n", "cat /etc/hostname", "cat /proc/sys/kernel/hostname",
                  "hostnamectl --static", "awk '/127.0.1.1/{print $2}' /etc/hosts",
                  "awk '{print $2}' /var/log/auth.log | sort -u", "cut -d' ' -f2 /run/motd.dynamic",
                  "python3 -c 'import socket; print(socket.gethostname())'")
    assert len({a.strip() for a in answers}) == 1, answers


def test_memory_is_one_everywhere(machine):
    meminfo, free, sysinfo, shm, run = ask(
        machine, "cat /proc/meminfo", "free -k",
        "python3 -c 'import os; print(os.sysconf(\"SC_PHYS_PAGES\") * 4)'",
        "df -k --output=size /dev/shm | tail -1", "df -k --output=size /run | tail -1")
    total = number(r"^MemTotal: +(\d+)", meminfo)
    assert number(r"^Mem: +(\d+)", free) == total == int(sysinfo)
    assert number(r"^Mem: +\d+ +\d+ +(\d+)", free) == number(r"^MemFree: +(\d+)", meminfo)
    assert int(shm) == total // 2 // 4 * 4
    assert abs(int(run) - total // 10) <= 4
    parts = [number(rf"^{n}: +(\d+)", meminfo) for n in ("MemFree", "Buffers", "Cached", "Slab")]
    assert sum(parts) < total
    assert number(r"^MemAvailable: +(\d+)", meminfo) < total


def processors(pot):
    """How many there are, by all who say so."""
    cpuinfo, lscpu, *told = ask(
        pot, "cat /proc/cpuinfo", "lscpu", "nproc", "grep -c '^cpu[0-9]' /proc/stat",
        "ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l", "ps -e | grep -c migration/",
        "ps -e | grep -c ksoftirqd/", "ps -e | grep -c cpuhp/", "getconf _NPROCESSORS_ONLN",
        "python3 -c 'import os; print(len(os.sched_getaffinity(0)))'", "head -1 /proc/interrupts | wc -w",
        "grep -c virtio1-req /proc/interrupts", "head -1 /proc/softirqs | wc -w", "dmidecode -t processor | grep -c 'Status: Populated'",
        "dmesg | grep -o 'Brought up 1 node, [0-9]*' | cut -d' ' -f5",
        "awk -F'[-,\\t]' '/^Cpus_allowed_list/ { print $NF + 1 }' /proc/self/status",
        *(f"awk -F- '{{ print $NF + 1 }}' /sys/devices/system/{name}" for name in
          ("cpu/online", "cpu/possible", "cpu/present", "node/node0/cpulist")))
    count = cpuinfo.count("processor\t")
    assert {int(number) for number in told} == {count, number(r"^CPU\(s\): +(\d+)", lscpu)}, told
    unbound = ask(pot, "ps -e | grep -o 'kworker/u[0-9]*' | sort -u").split()
    assert unbound == [f"kworker/u{2 * count}", f"kworker/u{2 * count + 1}"]
    return count, cpuinfo, lscpu


def test_processors_are_one_everywhere(machine):
    _, cpuinfo, lscpu = processors(machine)
    for key, field in (("model name", "Model name"), ("cpu family", "CPU family"), ("model\t", "Model"),
                       ("stepping", "Stepping"), ("bogomips", "BogoMIPS"), ("vendor_id", "Vendor ID")):
        one = re.search(rf"^{key}\s*: (.*)$", cpuinfo, re.M).group(1)
        assert re.search(rf"^ *{field}: +(.*)$", lscpu, re.M).group(1) == one
    assert re.search(r"Hypervisor vendor: +KVM", lscpu)
    assert "hypervisor" in cpuinfo


# Bytes of which a seed is made, its edition (the first had none) and how many processors its machine has.
@pytest.mark.parametrize("byte, edition, count", ((4, 1, 1), (1, 1, 4), (1, None, 2)))
def test_processors_are_as_many_as_the_seed_says(tmp_path, byte, edition, count):
    plant_seed(tmp_path / "data", bytes([byte]) * 32, edition)
    pot = Honeypot(tmp_path)
    assert processors(pot)[0] == count
    pot.stop()


def test_the_disk_is_one_everywhere(machine):
    partitions, lsblk, sectors, statfs, df = ask(
        machine, "cat /proc/partitions", "lsblk -bnro NAME,SIZE", "cat /sys/class/block/vda1/size",
        "stat -f -c '%b %S %f' /", "df -k --output=size,used,avail / | tail -1")
    kib = number(r"(\d+) vda1$", partitions)
    assert number(r"^vda1 (\d+)$", lsblk) == kib * 1024 == int(sectors) * 512
    blocks, size, free = map(int, statfs.split())
    total, used, available = map(int, df.split())
    assert blocks * size == total * 1024 < kib * 1024
    assert used == total - free * size // 1024
    assert available < total - used
    root, fstab = ask(machine, "cat /proc/cmdline", "cat /etc/fstab")
    assert re.search(r"root=UUID=(\S+)", root).group(1) == re.search(r"^UUID=(\S+)", fstab, re.M).group(1)


def test_the_disks_bytes_are_the_machines(machine):
    root, fstab, blkid, by_uuid, by_part, udev, fdisk, sfdisk, lsblk, others = ask(
        machine, "cat /proc/cmdline", "cat /etc/fstab", "blkid /dev/vda1", "ls /dev/disk/by-uuid", "ls /dev/disk/by-partuuid",
        "udevadm info -q property /dev/vda1", "fdisk -l /dev/vda", "sfdisk -d /dev/vda",
        "lsblk -bnro UUID,PARTUUID,FSTYPE,SIZE /dev/vda1", "su -s /bin/sh nobody -c 'lsblk -nro UUID,PARTUUID /dev/vda1'")
    uuid, part = re.search(r' UUID="(\S+)" .* TYPE="ext4" PARTUUID="(\S+)"', blkid).groups()
    label = part.removesuffix("-01")
    assert f"root=UUID={uuid} " in root and f"UUID={uuid} " in fstab
    assert by_uuid.split() == [uuid] and by_part.split() == [part]
    assert f"ID_FS_UUID={uuid}\n" in udev and f"ID_PART_ENTRY_UUID={part}\n" in udev
    assert f"identifier: 0x{label}\n" in fdisk and f"label-id: 0x{label}\n" in sfdisk
    assert others.split() == [uuid, part]
    sectors = number(r"ID_PART_ENTRY_SIZE=(\d+)", udev)
    assert lsblk.split() == [uuid, part, "ext4", str(sectors * 512)]
    assert re.search(r"^/dev/vda1 +\* +2048 +(\d+) +(\d+)", fdisk, re.M).groups() == (str(sectors + 2047), str(sectors))
    size, log = ask(machine, "cat /sys/block/vda/size", "dmesg | grep 'vda] '")
    assert f" {int(size)} sectors\n" in fdisk and f"[vda] {int(size)} 512-byte" in log
    assert int(ask(machine, "blockdev --getsz /dev/vda")) == int(size)


def test_the_file_systems_own_figures_are_those_of_df(machine):
    super_block, inodes, statfs, whole, size, backup = ask(
        machine, "dumpe2fs -h /dev/vda1 2>/dev/null", "df --output=itotal,iused / | tail -1", "stat -f -c '%b %f %a' /",
        "dumpe2fs /dev/vda1 2>&1", "cat /sys/class/block/vda1/size",
        "dumpe2fs -h -o superblock=32768 -o blocksize=4096 /dev/vda1 2>/dev/null")
    def told(name, text=super_block):
        return number(rf"^{name}: +(\d+)", text)
    blocks, free, available = map(int, statfs.split())
    assert told("Block count") == int(size) // 8 == told("Overhead clusters") + blocks
    assert told("Inode count") == int(inodes.split()[0])
    # Files were made and logs have grown since it was mounted.
    assert 0 <= int(inodes.split()[1]) - (told("Inode count") - told("Free inodes")) < 500
    assert free <= told("Free blocks") < free + 10000
    assert free - available == told("Reserved block count") + 4096
    groups = re.findall(r"^  (\d+) free blocks, (\d+) free inodes", whole, re.M)
    assert len(groups) == -(-told("Block count") // 32768)
    assert [sum(int(n) for n in column) for column in zip(*groups)] == [told("Free blocks"), told("Free inodes")]
    assert re.search(r"error|invalid|bad|checksum (does|mismatch)", whole.replace("Errors behavior", ""), re.I) is None
    assert told("Block count", backup) == told("Block count") and told("Mount count", backup) == 0
    assert "clean" in ask(machine, "e2fsck -n /dev/vda1 2>&1")
    created, booted = ask(machine, "date -d \"$(dumpe2fs -h /dev/vda1 2>/dev/null | sed -n 's/^Last mount time: *//p')\" +%s",
                          "awk '/btime/{print $2}' /proc/stat")
    assert 0 <= int(created) - int(booted) <= 3


def test_what_is_written_to_the_disk_is_taken(machine):
    wiped, table, names, used, kept = ask(
        machine, "dd if=/dev/zero of=/dev/vda bs=1M count=64 2>&1", "fdisk -l /dev/vda; blkid /dev/vda1",
        "dd if=/dev/zero of=/dev/vda bs=1M seek=$(($(blockdev --getsize64 /dev/vda) >> 20)) count=1 2>&1",
        "df --output=pcent / | tail -1", "printf 'one two' | dd of=/dev/vda1 bs=1 seek=4096 2>/dev/null; "
        "dd if=/dev/vda bs=1 skip=$((1048576 + 4096)) count=7 2>/dev/null")
    assert "67108864 bytes" in wiped and "No space" not in wiped
    assert "Disk identifier" not in table and "ext4" not in table
    assert "Disk identifier" in ask(machine, "fdisk -l /dev/vda")  # each session is a machine of its own
    assert "No space left on device" in names and int(used.split("%")[0]) < 90
    assert kept == "one two"


def test_the_boot_is_one_everywhere(machine):
    stat, uptime, since, systemd, init, last = ask(
        machine, "awk '/btime/{print $2}' /proc/stat", "cat /proc/uptime; date +%s", "date -d \"$(uptime -s)\" +%s",
        "date -d \"$(systemctl show -p KernelTimestamp --value)\" +%s",
        "ps -o lstart= -p 1 | xargs -0 date +%s -d", "last reboot | head -1; date -d @$(awk '/btime/{print $2}' /proc/stat) '+%a %b %e %H:%M'")
    boot = int(stat)
    up, now = float(uptime.split()[0]), int(uptime.split()[-1])
    assert abs(now - up - boot) <= 2
    assert abs(int(since) - boot) <= 2 and abs(int(systemd) - boot) <= 2 and abs(int(init) - boot) <= 2
    shown = last.splitlines()
    assert shown[1] in shown[0] and "still running" in shown[0]
    who = ask(machine, "who -b; date -d @" + stat.strip() + " '+%Y-%m-%d %H:%M'").splitlines()
    assert who[1] in who[0]


def test_the_network_is_one_everywhere(machine):
    ip, sys, ifconfig, proc, route, interfaces, resolv = ask(
        machine, "ip -o addr show ens3; ip link show ens3", "cat /sys/class/net/ens3/address", "ifconfig ens3",
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1", "ip route", "cat /etc/network/interfaces",
        "cat /etc/resolv.conf")
    mac = sys.strip()
    assert f"link/ether {mac}" in ip and f"ether {mac}" in ifconfig
    address = re.search(r"inet ([\d.]+)/24", ip).group(1)
    assert f"inet {address} " in ifconfig and f"src {address}" in route
    assert f"address {address}/24" in interfaces
    gateway = re.search(r"default via (\S+)", route).group(1)
    assert f"gateway {gateway}" in interfaces
    assert proc.split() == ["lo", "ens3"]
    assert len(re.findall(r"^nameserver", resolv, re.M)) == 2


def test_the_processes_are_one_everywhere(machine):
    ps, listing, load = ask(machine, "ps -e -o pid= | wc -l; ls -d /proc/[0-9]* | wc -l",
                            "for p in 1 349 393 $$ $PPID; do cat /proc/$p/comm; ps -o comm= -p $p; done",
                            "cut -d/ -f2 /proc/loadavg")
    counts = [int(n) for n in ps.split()]
    assert abs(counts[0] - counts[1]) <= 1  # each counts its own pipeline
    names = listing.splitlines()
    assert names[::2] == names[1::2]
    assert int(load.split()[0]) >= counts[0] - 4


def test_the_visitor_is_one_everywhere(machine):
    who, w, last, lastlog, log, parents = ask(
        machine, "who", "w -h", "last -n 1", "lastlog -u root | tail -1",
        "grep Accepted /var/log/auth.log | tail -1",
        "ps -o pid=,ppid=,tty=,args= -p $$,$PPID; echo $SSH_CLIENT", terminal=True)
    address, port, _ = parents.split()[-3:]
    assert f"({address})" in who and "pts/0" in who and who.startswith("root")
    assert w.split()[:3] == ["root", "pts/0", address]
    assert "still logged in" in last and address in last
    assert address in lastlog and "pts/0" in lastlog
    assert f"Accepted password for root from {address}" in log
    assert "sshd: root@pts/0" in parents


def test_a_connection_comes_in_where_sshd_listens(machine):
    told, listening, connected = ask(machine, "echo ${SSH_CONNECTION##* } ${SSH_CLIENT##* }",
                                     "ss -Hlnt | awk '{print $4}'", "ss -Hnt | awk '{print $4}'")
    ports = {address.rpartition(":")[2] for address in listening.split()}
    assert ports == {connected.strip().rpartition(":")[2]} == set(told.split())


def test_services_are_one_everywhere(machine):
    pid, state, ps, socket = ask(machine, "systemctl show -p MainPID --value ssh", "systemctl is-active ssh cron",
                                 "pgrep -o sshd", "cat /run/sshd.pid")
    assert int(pid) == int(ps) == int(socket)
    assert state.split() == ["active", "active"]
    gone = ask(machine, "systemctl stop cron; systemctl is-active cron; pgrep cron; service cron start; "
                        "systemctl is-active cron; pgrep -c cron").split()
    assert gone == ["inactive", "active", "1"]
    again = ask(machine, "systemctl restart networking; systemctl is-active networking; "
                         "systemctl stop init.scope 2>&1; cat /proc/1/comm").splitlines()
    assert again[0] == "active" and again[-1] == "systemd", again
    assert "Job type stop is not applicable for unit init.scope." in again[1], again


def test_timers_and_logs_tell_the_same_times(machine):
    """To the minute; what is in no line any more was before the log began (it begins anew each week)."""
    begun = ask(machine, "head -1 /var/log/syslog")
    for unit in ("apt-daily", "apt-daily-upgrade", "man-db", "logrotate"):
        timer, log = ask(machine, f"systemctl show -p LastTriggerUSec --value {unit}.timer",
                         f"grep 'Starting {unit}.service' /var/log/syslog | tail -1")
        when = "T".join(timer.split()[1:3])[:16]
        if log:
            assert when == log[:16], (unit, timer, log)
        else:
            assert when < begun[:16], (unit, timer, begun)


def test_services_have_programs_and_groups(machine):
    """What /proc tells of a service's process is what systemd and its package tell."""
    for unit, program in (("ssh", "/usr/sbin/sshd"), ("cron", "/usr/sbin/cron"),
                          ("systemd-journald", "/usr/lib/systemd/systemd-journald"),
                          ("getty@tty1", "/usr/sbin/agetty")):
        pid = ask(machine, f"systemctl show -p MainPID --value {unit}").strip()
        exe, top, group, said = ask(machine, f"readlink /proc/{pid}/exe", f"readlink /proc/{pid}/root",
                                    f"cat /proc/{pid}/cgroup",
                                    f"systemctl show -p ControlGroup --value {unit}")
        assert (exe, top, group) == (program + "\n", "/\n", "0::" + said), unit
    assert ask(machine, "readlink /proc/1/exe") == "/usr/lib/systemd/systemd\n"
    assert ask(machine, "readlink /proc/2/exe") == ""
    assert ask(machine, "su -s /bin/sh nobody -c 'readlink /proc/1/exe'") == ""


def test_another_name_of_a_unit_is_the_unit(machine):
    assert ask(machine, "systemctl show -p Id --value sshd") == "ssh.service\n"
    assert ask(machine, "systemctl is-active sshd") == "active\n"


def test_what_the_start_made_is_as_old_as_the_start(machine):
    booted = number(r"btime (\d+)", ask(machine, "cat /proc/stat"))
    old = ask(machine, f"find /dev /run /tmp ! -newermt @{booted - 1} -printf '%p %Tc\\n'")
    assert old == ""
    private = ask(machine, "ls -d /tmp/systemd-private-*-systemd-logind.service-*/tmp; cat /proc/sys/kernel/random/boot_id")
    assert private.split()[1].replace("-", "") in private.split()[0]


def test_a_setting_is_as_it_was_set(machine):
    answers = ask(machine, "echo 1 > /proc/sys/net/ipv4/ip_forward", "sysctl -n net.ipv4.ip_forward",
                  "sysctl -w kernel.core_pattern=/tmp/c", "cat /proc/sys/kernel/core_pattern",
                  "echo x > /proc/sys/net/ipv4/ip_forward", "cat /proc/sys/net/ipv4/ip_forward")
    assert answers[1::2] == ["1\n", "/tmp/c\n", "1\n"]


def test_time_goes_on_between_two_sessions(machine):
    line = "cat /proc/sys/kernel/random/boot_id; awk '/btime/{print $2}' /proc/stat; echo $$; cut -d. -f1 /proc/uptime"
    first, second = ask(machine, line).split(), ask(machine, line).split()
    assert first[:2] == second[:2]
    assert int(second[2]) > int(first[2]) and int(second[3]) >= int(first[3])


def test_the_journal_and_the_logs_say_the_same(machine):
    ask(machine, "logger -t probe 'said by a visitor'; echo 'from a pipe' | logger -p auth.notice -t probe")
    journal, texts, named, kinds = ask(
        machine, "journalctl -n 25 -o cat --no-pager", "cat /var/log/syslog /var/log/auth.log /var/log/kern.log",
        "journalctl -t probe -o cat --no-pager; grep -h probe: /var/log/syslog /var/log/auth.log | cut -d' ' -f3-",
        "journalctl -u ssh -n 1 -o cat --no-pager; grep 'session opened for user root' /var/log/auth.log | grep sshd | "
        "tail -1 | sed 's/.*]: //'")
    missing = [line for line in journal.splitlines() if line not in texts]
    assert missing == []
    assert named == "", named  # each session is a machine of its own: what one visitor says no other sees
    assert len(set(kinds.splitlines())) == 1, kinds
    own = ask(machine, "logger -t probe hello; journalctl -t probe -o cat --no-pager; tail -1 /var/log/user.log; "
                       "grep -c probe /var/log/syslog").splitlines()
    assert own[0] == "hello" and own[1].endswith(" probe: hello") and own[2] == "1", own


def test_the_journals_numbers_are_the_machines(machine):
    boots, header, ids, size = ask(
        machine, "journalctl --list-boots", "journalctl --header | grep -E '^(Machine|Boot) ID' | sort -u",
        "tr -d - < /proc/sys/kernel/random/boot_id; cat /etc/machine-id; ls /var/log/journal",
        "journalctl --disk-usage; du -sh /var/log/journal | cut -f1")
    boot, identity, folder = ids.split()
    assert boots.split()[7:9] == ["0", boot] and identity == folder
    assert header.split() == ["Boot", "ID:", boot, "Machine", "ID:", identity]
    used, folders = re.search(r"take up ([\d.]+)M", size).group(1), size.split()[-1]
    assert 0 <= float(folders.rstrip("M")) - float(used) < 0.1, size


def test_logs_are_taken_away_in_time(machine):
    listing = ask(machine, "cd /var/log; for l in auth.log syslog cron.log; do for f in $l $l.1 $l.2.gz; do [ -e $f ] && "
                           "echo $f $(zcat -f $f | head -1 | cut -c1-19) $(zcat -f $f | tail -1 | cut -c1-19) "
                           "$(date -r $f +%FT%T); done; done").splitlines()
    last = {}
    for name, first, end, changed in (line.split() for line in listing):
        assert first <= end == changed, listing
        log = name.split(".log")[0].split(".")[0]
        assert log not in last or end < last[log], listing
        last[log] = first
    assert set(last) == {"auth", "syslog", "cron"}


def test_sockets_have_one_owner(machine):
    ss, netstat, lsof, fuser, pid = ask(
        machine, "ss -tlnp 'sport = :22'", "netstat -tlnp", "lsof -t -iTCP:22 -sTCP:LISTEN", "fuser 22/tcp 2>/dev/null",
        "systemctl show -p MainPID --value ssh; readlink /proc/$(pgrep -o sshd)/exe")
    pid, program = pid.split()
    assert f'users:(("sshd",pid={pid},fd=3))' in ss and f"{pid}/sshd" in netstat
    assert lsof.split() == [pid] and pid in fuser.split() and program == "/usr/sbin/sshd"
    others = ask(machine, "su admin -c 'ss -tlnp; ls /proc/1/fd; netstat -tlnp' 2>&1")
    assert "users:" not in others and "cannot open directory '/proc/1/fd': Permission denied" in others


def test_the_start_is_one_everywhere(machine):
    times, startup, level = ask(
        machine, "for u in ssh cron rsyslog; do p=$(systemctl show -p MainPID --value $u); "
                 "date -d \"$(systemctl show -p ActiveEnterTimestamp --value $u)\" +%s; "
                 "date -d \"$(ps -o lstart= -p $p)\" +%s; done",
        "systemd-analyze time | head -1; zcat -f /var/log/syslog* | grep -o 'Startup finished.*kernel.*'",
        "who -r | tr -s ' ' | cut -d' ' -f4,5; date -d \"$(systemctl show -p FinishTimestamp --value)\" '+%F %H:%M'")
    seconds = [int(t) for t in times.split()]
    assert all(abs(a - b) <= 1 for a, b in zip(seconds[::2], seconds[1::2])), times
    assert len({line.strip(" .") for line in startup.splitlines()}) == 1, startup
    assert len(set(level.splitlines())) == 1, level


def test_the_kernels_version_is_one_everywhere(machine):
    answers = ask(machine, "uname -r", "cut -d' ' -f3 /proc/version", "ls /lib/modules", "cat /proc/sys/kernel/osrelease",
                  "hostnamectl | sed -n 's/.*Kernel: Linux //p'", "last reboot | awk 'NR==1{print $4}'",
                  "ls /boot | sed -n 's/^vmlinuz-//p'", "sed 's/.*vmlinuz-\\([^ ]*\\).*/\\1/' /proc/cmdline",
                  "dpkg -l 'linux-image-[0-9]*' | awk '/^ii/{print $2}' | sed 's/linux-image-//'")
    assert len({a.strip() for a in answers}) == 1, answers


def test_users_are_one_everywhere(machine):
    passwd, shadow, last, homes = ask(machine, "cut -d: -f1 /etc/passwd", "cut -d: -f1 /etc/shadow",
                                      "lastlog | awk 'NR>1{print $1}'",
                                      "awk -F: '$3>=1000 && $3<60000{print $6}' /etc/passwd | xargs stat -c '%U %n'")
    assert sorted(passwd.split()) == sorted(shadow.split()) == sorted(last.split())
    assert all(line.split()[1] == "/home/" + line.split()[0] for line in homes.splitlines()) and homes
    seen = ask(machine, "last -w | awk '/pts/{print $1}' | sort -u; echo; lastlog | grep -v Never | awk 'NR>1{print $1}' | "
                        "sort -u").split("\n\n")
    assert set(seen[0].split()) <= set(seen[1].split())


def test_what_is_set_is_seen_everywhere(machine):
    name = ask(machine, "hostnamectl set-hostname other; hostname; cat /etc/hostname /proc/sys/kernel/hostname; "
                        "hostnamectl --static; uname -n").split()
    assert name == ["other"] * 5
    zone = ask(machine, "timedatectl set-timezone Asia/Tokyo; cat /etc/timezone; timedatectl show -p Timezone --value; "
                        "readlink /etc/localtime | sed 's/.*zoneinfo.//'; date +%Z; timedatectl | grep -o JST | head -1")
    assert zone.split() == ["Asia/Tokyo"] * 3 + ["JST"] * 2
    units = ask(machine, "systemctl set-default rescue.target 2>&1 | grep -c rescue; systemctl get-default; "
                         "systemctl mask nftables 2>/dev/null; systemctl is-enabled nftables; systemctl disable rsyslog "
                         "2>/dev/null; systemctl is-enabled rsyslog; ls /etc/systemd/system/multi-user.target.wants | "
                         "grep -c rsyslog").split()
    assert units[1:] == ["rescue.target", "masked", "disabled", "0"], units


def test_names_on_the_bus_are_those_that_are_there(machine):
    listed, unknown, users = ask(
        machine, "busctl list --no-legend | awk '{print $1, $2, $3}'", "busctl call org.example.x / a.b c 2>&1",
        "busctl call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixUser s org.freedesktop.timesync1; "
        "id -u systemd-timesync")
    rows = {line.split()[0]: line.split()[1:] for line in listed.splitlines()}
    assert rows["org.freedesktop.login1"] == ["362", "systemd-logind"] and "org.freedesktop.systemd1" in rows
    assert "The name org.example.x was not provided by any .service files" in unknown
    assert users.split()[1] == users.split()[2]


OWN = ("hostname", "cat /etc/machine-id", "cat /proc/sys/kernel/random/boot_id", "cat /sys/class/net/ens3/address",
       "ip -4 -o addr show ens3 | awk '{print $4}'", "awk '/^UUID/{print $1}' /etc/fstab", "awk '/btime/' /proc/stat",
       "grep -m1 'cpu MHz' /proc/cpuinfo", "grep MemTotal /proc/meminfo", "df -k --output=used / | tail -1",
       "cat /etc/resolv.conf", "cat /etc/shadow", "cat /root/.bash_history", "stat -c '%y %z' /etc/passwd",
       "head -5 /var/log/dpkg.log", "cat /sys/class/dmi/id/product_uuid", "cat /proc/vmstat | head -1",
       "head -3 /var/log/auth.log", "last | head -3",
       "journalctl --header | grep -E '^(File|Machine|Boot|Sequential number) ID' | sort -u", "ls /var/log/journal",
       "journalctl -o cat -u ssh | grep -m 3 Failed", "systemd-analyze time", "blkid -s PARTUUID -o value /dev/vda1",
       "dumpe2fs -h /dev/vda1 2>/dev/null | grep -E 'Seed|created'")


def test_two_installations_share_nothing_and_one_stays_itself(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Honeypot(tmp_path / "one"), Honeypot(tmp_path / "two")
    first, other = ask(one, *OWN), ask(two, *OWN)
    two.stop()
    one.stop()
    shared = [line for line, a, b in zip(OWN, first, other) if a == b]
    assert shared == []
    again = Honeypot(tmp_path / "one")
    assert ask(again, *OWN) == first
    again.stop()
