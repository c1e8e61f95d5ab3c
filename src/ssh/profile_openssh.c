/* OpenSSH as distributions ship it. What one server says can be read off its table; facts are those of
 * the release's sources and of the distribution's patches. */
#include "ssh/machine.h"
#include "ssh/profile.h"

/* ---- What they share ---- */

/* compat.c of the releases 8.2 to 9.6. */
static const struct ssh_profile_compat compat[] = {
    {"OpenSSH_2.*", SSH_COMPAT_NONE},
    {"OpenSSH_3.*", SSH_COMPAT_NONE},
    {"OpenSSH_4*", SSH_COMPAT_NONE},
    {"OpenSSH_6.6.1*", SSH_COMPAT_END_OF_WRITES},
    {"OpenSSH_6.5*", SSH_COMPAT_END_OF_WRITES | SSH_COMPAT_NO_CURVE25519_OLD},
    {"OpenSSH_6.6*", SSH_COMPAT_END_OF_WRITES | SSH_COMPAT_NO_CURVE25519_OLD},
    {"OpenSSH*", SSH_COMPAT_END_OF_WRITES},
    {"PuTTY_Local:*", SSH_COMPAT_NO_GEX},
    {"PuTTY-Release-0.5*", SSH_COMPAT_NO_GEX},
    {"PuTTY_Release_0.5*", SSH_COMPAT_NO_GEX},
    {"PuTTY_Release_0.60*", SSH_COMPAT_NO_GEX},
    {"PuTTY_Release_0.61*", SSH_COMPAT_NO_GEX},
    {"PuTTY_Release_0.62*", SSH_COMPAT_NO_GEX},
    {"PuTTY_Release_0.63*", SSH_COMPAT_NO_GEX},
    {"PuTTY_Release_0.64*", SSH_COMPAT_NO_GEX},
    {"FuTTY*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_4*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.0*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.1", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.1.*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.5", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.5.*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.6", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.6.*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7.1", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7.2", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7.3", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7.4", SSH_COMPAT_NO_GEX},
    {"Cisco-1.*", SSH_COMPAT_NO_HOSTKEYS},
    {"*SSH_Version_Mapper*", SSH_COMPAT_SCANNER},
    {"Probe-*", SSH_COMPAT_SCANNER},
    {"TeraTerm SSH*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/1.5.*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.1*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.2*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.3*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.4*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.5*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.6*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.70*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.71*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/2.72*", SSH_COMPAT_NO_HOSTKEYS},
    {NULL, SSH_COMPAT_NONE},
};

static const char *const env_z[] = {"LANG", "LC_*", NULL};

#define KEX_CLASSIC                                                               \
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"          \
    "ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256," \
    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256"
#define KEX_STRICT "kex-strict-s-v00@openssh.com"

#define USER_KEYS                                                                    \
    "ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384," \
    "ecdsa-sha2-nistp521"

#define SIGNATURES_8                                                            \
    "ssh-ed25519,sk-ssh-ed25519@openssh.com,ssh-rsa,rsa-sha2-256,rsa-sha2-512," \
    "ssh-dss,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"      \
    "sk-ecdsa-sha2-nistp256@openssh.com"

/* Measured with bench/ssh on 9.2p1, ahead of all else that the machine did (two cores of an AMD EPYC),
 * less what ours takes itself. The password's hash is yescrypt, as Debian 12 makes it; how long its
 * check takes is what sshd logs itself ("elapsed"). */
#define WAITS                                                                                 \
    .waits = {                                                                                \
        [SSH_WAIT_VERSION] = {9650, 10250, 11200},  [SSH_WAIT_KEXINIT] = {1280, 1370, 1550},  \
        [SSH_WAIT_KEYS] = {3600, 4150, 5250},       [SSH_WAIT_LOGIN] = {43200, 46500, 48900}, \
        [SSH_WAIT_SESSION] = {13000, 15000, 20000}, [SSH_WAIT_CHANNEL] = {110, 150, 220},     \
        [SSH_WAIT_START] = {370, 480, 650},         [SSH_WAIT_OUTPUT] = {2850, 3130, 3600},   \
    }

/* The same in every release here, with the configuration that the packages come with; Debian and
 * Ubuntu keep "lowdelay" and "throughput" as types of service. */
#define COMMON                                                                                     \
    .dialect = &ssh_dialect_openssh, .packets = SSH_PACKET_RULES_OPENSSH, .data_bytes = 32 * 1024, \
    .open_refused_z = "open failed", .announces_hostkeys = true, .status_at_once = true,           \
    .hides_typing = true,                                                                          \
    .cipher_z = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,"                  \
                "aes128-gcm@openssh.com,aes256-gcm@openssh.com",                                   \
    .mac_z = "umac-64-etm@openssh.com,umac-128-etm@openssh.com,"                                   \
             "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"                        \
             "hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,"                 \
             "hmac-sha2-256,hmac-sha2-512,hmac-sha1",                                              \
    .compression_z = "none,zlib@openssh.com", .compat = compat, .dh_bits = 4, .rsa_bits = 3072,    \
    .hostkey_before_z = "ssh_host_", .hostkey_after_z = "_key",                                    \
    .auth_methods_z = "publickey,password", .auth_tries_max = 6, .password_max_bytes = 1024,       \
    .login_grace_ms = 120 * 1000, .alive_count_max = 3, .env_patterns_z = env_z,                   \
    .subsystems_z = "sftp", .sessions_max = 10, .numbers_listeners = true,                         \
    .small_window_bytes = 64 * 1024, .small_packet_bytes = 16 * 1024,                              \
    .window_bytes = 2 * 1024 * 1024, .packet_bytes = 32 * 1024, .x11 = true, .agent = true,        \
    .pam = true, .sets_speed = true,                                                               \
    .path_root_z = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",                 \
    .path_z = "/usr/local/bin:/usr/bin:/bin:/usr/games", .tos_interactive = 0x10,                  \
    .tos_bulk = 0x08, .startups_begin = 10, .startups_rate = 30, .startups_full = 100,             \
    .startups_text_z = "Exceeded MaxStartups\r\n", .rounds_time = true, WAITS

/* ---- 9.2p1 of Debian 12: package openssh-server 1:9.2p1-2+deb12u10 ---- */

static const struct ssh_profile_pair extensions_9_2p1[] = {
    {"server-sig-algs",
     "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
     "ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,"
     "webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-rsa,rsa-sha2-256,rsa-sha2-512"},
    {"publickey-hostbound@openssh.com", "0"},
    {NULL, NULL},
};

const struct ssh_profile ssh_profile_openssh_9_2p1 = {
    COMMON,
    .name_z = "openssh-9.2p1",
    .title_z = "OpenSSH 9.2p1 of Debian 12",
    .system_z = "debian 12",
    .compared_z = "the package's own server, by records and side by side",
    .version_z = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10",
    .kex_z =
        "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com," KEX_CLASSIC "," KEX_STRICT,
    .hostkey_z = "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519",
    .extensions = extensions_9_2p1,
    .user_keys_z = USER_KEYS,
    .hostbound = true,
};

/* ---- 9.6p1 of Ubuntu 24.04 ---- */

static const struct ssh_profile_pair extensions_9_6p1[] = {
    {"server-sig-algs",
     "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
     "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"},
    {"publickey-hostbound@openssh.com", "0"},
    {"ping@openssh.com", "0"},
    {NULL, NULL},
};

const struct ssh_profile ssh_profile_openssh_9_6p1 = {
    COMMON,
    .name_z = "openssh-9.6p1",
    .title_z = "OpenSSH 9.6p1 of Ubuntu 24.04",
    .system_z = "ubuntu 24.04",
    .version_z = "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.14",
    .kex_z = "sntrup761x25519-sha512@openssh.com," KEX_CLASSIC ",ext-info-s," KEX_STRICT,
    .hostkey_z = "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519",
    .extensions = extensions_9_6p1,
    .ext_info_again = true,
    .ping = true,
    .user_keys_z = USER_KEYS,
    .hostbound = true,
    .none_at_once = true,
    .refuse_max_ms = 5000,
};

/* ---- 8.4p1 of Debian 11, with the strict key exchange of its update ---- */

static const struct ssh_profile_pair extensions_8_4p1[] = {
    {"server-sig-algs", SIGNATURES_8 ",webauthn-sk-ecdsa-sha2-nistp256@openssh.com"},
    {NULL, NULL},
};

const struct ssh_profile ssh_profile_openssh_8_4p1 = {
    COMMON,
    .name_z = "openssh-8.4p1",
    .title_z = "OpenSSH 8.4p1 of Debian 11",
    .system_z = "debian 11",
    .version_z = "SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3",
    .kex_z = KEX_CLASSIC "," KEX_STRICT,
    .hostkey_z = "rsa-sha2-512,rsa-sha2-256,ssh-rsa,ecdsa-sha2-nistp256,ssh-ed25519",
    .extensions = extensions_8_4p1,
    .user_keys_z = USER_KEYS ",ssh-rsa",
};

/* ---- 8.2p1 as released, with Ubuntu 20.04's defaults and version line; and Ubuntu's package, with
 * the strict key exchange of its update ---- */

static const struct ssh_profile_pair extensions_8_2p1[] = {
    {"server-sig-algs", SIGNATURES_8},
    {NULL, NULL},
};

#define COMMON_8_2P1                                                                          \
    COMMON, .version_z = "SSH-2.0-OpenSSH_8.2p1 Ubuntu-4ubuntu0.13",                          \
            .hostkey_z = "rsa-sha2-512,rsa-sha2-256,ssh-rsa,ecdsa-sha2-nistp256,ssh-ed25519", \
            .extensions = extensions_8_2p1, .user_keys_z = USER_KEYS ",ssh-rsa",              \
            .service_loose = true

const struct ssh_profile ssh_profile_openssh_8_2p1 = {
    COMMON_8_2P1,
    .name_z = "openssh-8.2p1",
    .title_z = "OpenSSH 8.2p1 as released, with the defaults of Ubuntu 20.04",
    .system_z = "ubuntu 20.04",
    .compared_z = "that release, by records",
    .kex_z = KEX_CLASSIC,
};

const struct ssh_profile ssh_profile_openssh_8_2p1_ubuntu = {
    COMMON_8_2P1,
    .name_z = "openssh-8.2p1-ubuntu",
    .title_z = "OpenSSH 8.2p1 of Ubuntu 20.04, with strict key exchange",
    .system_z = "ubuntu 20.04",
    .kex_z = KEX_CLASSIC "," KEX_STRICT,
};
