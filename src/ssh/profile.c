#include "ssh/profile.h"

#include "ssh/names.h"

/* Debian 12, package openssh-server 1:9.2p1-2+deb12u10 with the configuration it comes with. */

static const struct ssh_profile_pair openssh_9_2p1_extensions[] = {
    {"server-sig-algs",
     "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
     "ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,"
     "webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-rsa,rsa-sha2-256,rsa-sha2-512"},
    {"publickey-hostbound@openssh.com", "0"},
    {NULL, NULL},
};

static const struct ssh_profile_compat openssh_9_2p1_compat[] = {
    {"OpenSSH_6.6.1*", SSH_COMPAT_NONE},
    {"OpenSSH_6.5*", SSH_COMPAT_NO_CURVE25519_OLD},
    {"OpenSSH_6.6*", SSH_COMPAT_NO_CURVE25519_OLD},
    {"OpenSSH*", SSH_COMPAT_NONE},
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
    {"WinSCP_release_5.1*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.5*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.6*", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7", SSH_COMPAT_NO_GEX},
    {"WinSCP_release_5.7.?", SSH_COMPAT_NO_GEX},
    {"Cisco-1.*", SSH_COMPAT_NO_HOSTKEYS},
    {"*SSH_Version_Mapper*", SSH_COMPAT_SCANNER},
    {"Probe-*", SSH_COMPAT_SCANNER},
    {"TeraTerm SSH*", SSH_COMPAT_NO_HOSTKEYS},
    {"TTSSH/*", SSH_COMPAT_NO_HOSTKEYS},
    {NULL, SSH_COMPAT_NONE},
};

static const char *const openssh_9_2p1_env_z[] = {"LANG", "LC_*", NULL};

const struct ssh_profile ssh_profile_openssh_9_2p1 = {
    .name_z = "openssh-9.2p1",
    .version_z = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10",
    .kex_z = "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,"
             "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
             "ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,"
             "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
             "diffie-hellman-group14-sha256,kex-strict-s-v00@openssh.com",
    .hostkey_z = "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519",
    .cipher_z = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,"
                "aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    .mac_z = "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,"
             "hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,"
             "umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    .compression_z = "none,zlib@openssh.com",
    .extensions = openssh_9_2p1_extensions,
    .compat = openssh_9_2p1_compat,
    .auth_methods_z = "publickey,password",
    .auth_tries_max = 6,
    .password_max_bytes = 1024,
    .login_grace_ms = 120 * 1000,
    .env_patterns_z = openssh_9_2p1_env_z,
    .subsystems_z = "sftp",
    .sessions_max = 10,
    .window_bytes = 2 * 1024 * 1024,
    .packet_bytes = 32 * 1024,
    .x11 = true,
    .agent = true,
    .tos_interactive = 0x10, /* Debian keeps "lowdelay" and "throughput" */
    .tos_bulk = 0x08,
};

static const struct ssh_profile *const profiles[] = {&ssh_profile_openssh_9_2p1};

const struct ssh_profile *ssh_profile_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        if (span_equal_z(name, profiles[i]->name_z))
            return profiles[i];
    return NULL;
}

unsigned ssh_profile_compat_of(const struct ssh_profile *profile, struct span software)
{
    for (const struct ssh_profile_compat *c = profile->compat; c->pattern_z; c++)
        if (ssh_names_glob(c->pattern_z, software))
            return c->flags;
    return SSH_COMPAT_NONE;
}

bool ssh_profile_allows_env(const struct ssh_profile *profile, struct span name)
{
    for (const char *const *pattern_z = profile->env_patterns_z; *pattern_z; pattern_z++)
        if (ssh_names_glob(*pattern_z, name))
            return true;
    return false;
}
