/* Dropbear 2022.83 of Debian 12: package dropbear-bin 2022.83-1+deb12u3, started without options. */
#include "ssh/machine.h"
#include "ssh/profile.h"

static const struct ssh_profile_pair extensions[] = {
    {"server-sig-algs",
     "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
     "ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-256,ssh-rsa,ssh-dss"},
    {NULL, NULL},
};

static const struct ssh_profile_compat compat[] = {{NULL, SSH_COMPAT_NONE}};
static const char *const env_z[] = {NULL};

const struct ssh_profile ssh_profile_dropbear_2022_83 = {
    .name_z = "dropbear-2022.83",
    .title_z = "dropbear 2022.83 of Debian 12",
    .compared_z = "the package's own server, side by side",
    .version_z = "SSH-2.0-dropbear_2022.83",
    .dialect = &ssh_dialect_dropbear,
    .silent = true,
    .kexinit_at_once = true,
    .packets =
        {
            .length_min = 4,
            .length_max = 35000,
            .whole_max = 35000,
            .payload_max = 32789,
            .by_block = true,
            .exact_reads = true,
            .sent_min = 16,
            .random_in_clear = true,
            .sync_flush = true,
        },
    .kex_z = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp521,"
             "ecdh-sha2-nistp384,ecdh-sha2-nistp256,diffie-hellman-group14-sha256,"
             "diffie-hellman-group14-sha1,kexguess2@matt.ucc.asn.au,kex-strict-s-v00@openssh.com",
    .hostkey_z = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-256,ssh-rsa",
    .cipher_z = "chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr",
    .mac_z = "hmac-sha1,hmac-sha2-256",
    .compression_z = "zlib@openssh.com,none",
    .names_max = 50,
    .extensions = extensions,
    .compat = compat,
    .rsa_bits = 2048,
    .hostkey_before_z = "dropbear_",
    .hostkey_after_z = "_host_key",
    .auth_methods_z = "publickey,password",
    .user_keys_z = "",
    .auth_tries_max = 10,
    .password_max_bytes = 100,
    .login_grace_ms = 300 * 1000,
    .env_patterns_z = env_z,
    .subsystems_z = "sftp",
    .sessions_max = SSH_CHANNELS_MAX,
    .window_bytes = 24576,
    .packet_bytes = 32759,
    .small_window_bytes = 24576,
    .small_packet_bytes = 32759,
    .window_step_bytes = 24576 / 3,
    .data_bytes = 16375,
    .window_at_open = true,
    .ends_idle = true,
    .open_refused_z = "",
    .tells_unresolved = true,
    .agent = true,
    .path_root_z = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    .path_z = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
    .startups_begin = 30,
    .startups_full = 30,
    .startups_of_one = 5,
    .startups_text_z = "",
    /* Measured beside OpenSSH's. The version line comes with KEXINIT; the rest takes next to none. */
    .waits =
        {
            [SSH_WAIT_VERSION] = {3400, 6000, 6600},
            [SSH_WAIT_KEYS] = {2900, 3000, 3350},
            [SSH_WAIT_LOGIN] = {21000, 21700, 23500},
            [SSH_WAIT_OUTPUT] = {3500, 4800, 5200},
        },
};
