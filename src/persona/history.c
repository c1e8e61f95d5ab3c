#include "persona/history.h"

#include "crypto/rng.h"
#include "persona/identity.h"

/* What comes one after the other, as people do things. */
static const char *const root_works[][6] = {
    {"apt update", "apt upgrade", "apt autoremove"},
    {"apt-get update", "apt-get -y dist-upgrade"},
    {"passwd"},
    {"hostname", "cat /etc/hosts", "ip a"},
    {"nano /etc/ssh/sshd_config", "systemctl restart ssh"},
    {"vi /etc/ssh/sshd_config", "sshd -t", "systemctl reload ssh", "systemctl status ssh"},
    {"df -h", "free -m"},
    {"htop", "top"},
    {"uptime", "w", "last"},
    {"tail -f /var/log/syslog"},
    {"grep Failed /var/log/auth.log | tail", "journalctl -u ssh -n 50"},
    {"cd /opt", "ls -la", "mkdir backup", "cd"},
    {"crontab -l", "crontab -e"},
    {"ss -tlnp", "netstat -tulpn"},
    {"cd /etc", "ls", "cd"},
    {"timedatectl", "date"},
    {"apt install curl wget", "apt search fail2ban"},
    {"dpkg -l | grep linux-image", "uname -a", "reboot"},
    {"du -sh /var/*", "du -sh /var/log"},
    {"ps aux", "ps aux | grep cron"},
    {"ip route", "cat /etc/resolv.conf", "ping -c 3 deb.debian.org"},
    {"cat /etc/os-release"},
    {"iptables -L -n"},
    {"systemctl list-units --failed", "systemctl --failed"},
    {"ls -la /root", "cat .profile"},
    {"exit"},
};
static const char *const user_works[][6] = {
    {"ls", "pwd"},
    {"ls -la"},
    {"sudo -l"},
    {"sudo apt update", "sudo apt upgrade"},
    {"df -h", "free -h"},
    {"mkdir bin", "cd bin", "cd .."},
    {"cat .bashrc", "vi .bashrc", "source .bashrc"},
    {"ssh-keygen", "cat .ssh/id_rsa.pub"},
    {"top", "uptime"},
    {"wget https://deb.debian.org/debian/dists/bookworm/Release", "rm Release"},
    {"python3 --version", "python3"},
    {"crontab -l"},
    {"screen -ls", "screen"},
    {"history"},
    {"su -"},
    {"man rsync"},
    {"id", "groups"},
    {"exit"},
};

enum { WORK_LINES = 6 };

static int put_work(const char *const work[WORK_LINES], struct crypto_rng *rng, struct buffer *out,
                    unsigned *count)
{
    unsigned lines = 0;
    while (lines < WORK_LINES && work[lines] != NULL)
        lines++;
    unsigned used = lines > 0 ? 1 + crypto_rng_u32(rng) % lines : 0;
    int rc = 0;
    for (unsigned i = 0; i < used && rc == 0; i++, (*count)++)
        rc = buffer_printf(out, "%s\n", work[i]);
    return rc;
}

int persona_history(struct crypto_rng *rng, const struct persona_identity *identity, bool is_root,
                    unsigned lines, struct buffer *out)
{
    const char *const(*works)[WORK_LINES] = is_root ? root_works : user_works;
    size_t count = is_root ? ARRAY_LEN(root_works) : ARRAY_LEN(user_works);
    unsigned written = 0;
    int rc = 0;
    if (is_root)
        rc = buffer_printf(out, "adduser %s\n", identity->user_z);
    size_t last = count;
    while (rc == 0 && written < lines) {
        size_t at = crypto_rng_u32(rng) % count;
        if (at != last)
            rc = put_work(works[at], rng, out, &written);
        last = at;
    }
    return rc;
}
