#include "keys.h"

#include <assert.h>

/* Made for these tests and used nowhere else. */

static const char rsa_z[] = "-----BEGIN PRIVATE KEY-----\n"
                            "MIIG/gIBADANBgkqhkiG9w0BAQEFAASCBugwggbkAgEAAoIBgQCri08mpJPTWS62\n"
                            "lhmpuzzalcJBFNFjpJHUfG/ZgmlvZzEgq+y7PU0X2IOKC79F0Xg0qyPl2ir/FLKv\n"
                            "9naIT685ky6vzYvr80f7tIOBfYMLrBPWLo7uQZHdtVF42GdeqgRcGA3Ak3BGAQPO\n"
                            "an3pNZ336CxEdQwIhh98IAyZ5opYA+gYIicKSnT8LFvFc105QsS68zs33zvAHVyh\n"
                            "BAJD7BVx30VLdhP9qIBmrzbpUSejHca16NZ4MsKHFfVfB87IzrtY/oLu6tPHrLDe\n"
                            "Ak7n0FYA2MCKob8vDVWdIrF1TeNkwRTWgEhh6i2a3lIRAQkiefADrgqADA5dx5nE\n"
                            "DjKhEMuztvEBHfX6HBnIiIO/EFVIfQTDK8YQtYGjkRmW1fEp0D3O88mFGCP8zjVF\n"
                            "wORqa0onSK3fZqWAab2c5tHIk4k30Vw3QBG5TBgBws61siKYooPihIape6sUP11r\n"
                            "w1UgRRtV5U4q71OxpHPFn6uGUkyGvxna8+qWynv1erT2JVrYlEMCAwEAAQKCAYBD\n"
                            "S917PWk4qm3m9y+OJIQVBFc2jOIwAumqwD5ox/5w07y0In42XjAWQLwptb4Nt8U+\n"
                            "dD0a+OGRPB91ZGzPwOLu5UyVbz+LCt+cYQ6OCB0WwSTvC0jLMzH0FiOmEs9Klcws\n"
                            "DMuoVq7e55sEqUZH7N7R2GU1Xe2gkm1bln8bCRQQv0eX4B4MrXUDUKuX5FAYHJds\n"
                            "9+qtWofoMBycliQFXWJ0T7Cxj9r70dS9c9NI6KtyFEZWKseoU9F4iSa/ZyK6KE82\n"
                            "aDSK39JzMCyp3eZn+bpHossxryy/9rSBSH04pQl2oTE52c7h9c1SUnPJm3JmK0Aa\n"
                            "k6D4q5pN449l2pekAHJ6syMSdP0+X6bPWeGEntYPbiLcU9ycEHcDihGY+9IjnZVa\n"
                            "dl7z+ylt6spPhlgh6Yt9KB+6CJtxUvcLAnvLmkCphfqJfmDmeV9gt+5SoHEOYTt/\n"
                            "CJmIMfDwMQpkzlLcQa12GBYOR9ShbvS3ClJVfC22AcrolmiuKvz4rlB7keBd73EC\n"
                            "gcEA2erVJyTKEmNBoHJfyNHDFmbpLZnktkYwVCUnqeTjuXKHB6P2YkjLRTf41BOK\n"
                            "nDfbrNtM1hMVRTcHB0cqe9ccxebiaKEGcFVgAPMAoHqskE0Z4FciKOVLbarx6T+p\n"
                            "JPqe0/BULjBUNRvGImo4yTckomw5vENKFX0Xs2qhIfmfF2SX1cAFssb9ym+1GM+z\n"
                            "53L4at2wgj6lKD8+ucNfVJS7cQPl2ErN2J0yOqmrSkqsfKtx1NBQuwAYk50tnbnQ\n"
                            "BCl9AoHBAMmF1rvNJ3NDqSvQGHwNoGyTJlvznbOXNPpRiEUQmPQv6DWMjkMNyRd/\n"
                            "xfNFmHoN11fNOqTZTKRdiiPk/PeuHkJVWLihGnCx8XNMneElIsChAjidY2dGX42I\n"
                            "G5RcenzXcYkLxLwcCHxRloaQzdcTUEnHZTMqeMWwuM+kEhTOpTR+Ay0i0te34rvN\n"
                            "YlrNAfN/dm9i4gOtK3/ECEDWwrCAGtVFp78jOrKyepPpgDn5NxGMtQEgnwK6Adg+\n"
                            "a7SPgiYgvwKBwQCvpgqDj7LVWW33ftlYDEPclbzUBdyFU1P3Ly+mUJmBzB+s9+tL\n"
                            "03MM6w3FG685Ngj6bpWjZCRb8vvWUPWcdop5th2+yjRfbWGBwl05/UeE1LDL1E/z\n"
                            "eMbwsb5mDOswpFZLbMbdqBTn7egpq0b0YV9FEEkFR5O6eGcXNhaFRSiH+YwtPaca\n"
                            "MC029A2b3ycaouA7e0+f3BDRvRC5ORJpIa1obgTg74K2XBa1lDc+HayknKiXKgY4\n"
                            "hN5KdYHkRXa3NB0CgcEAigWmut2aBXHz7dQK0PwsQfDOtu+1tQj8+ezZniPt/mDJ\n"
                            "c9OepAJPFk8m7qVd90p/kN05KyrBOVnvgQIW2DRi+R+nMlz01Paq3kM9ZrSehrw/\n"
                            "3zK8oEEstKzh5s0n/1U3p5tt1UCF90+R/vwyXvoVZVKx10dhjFSrX1uKHsIhmEAu\n"
                            "QL23FpQVMHdMw8/hZDqKjWN2VPpH7qv+0xnEIkq7FhMs/tZMH5PqLGAiuJIdy2FJ\n"
                            "n0oOXjmzhb3K2tHnW+HVAoHATBFeVkOI/w5B4W7eGWTgs14Xzjew3AIyHgSu5WcD\n"
                            "qqRaXTShixjVOrTt12NBJY1+Iz2Lt2C0gRL3iV7ETVOiaKVrQ8XTo9CGxopuKJDN\n"
                            "1aBbXV9LIUWdl4bo7ILQz/o+8biePlCGgKdOBJEFkxdNM36nCp1FW4utQdW+1Ks2\n"
                            "7bohBK8iam4mpVrXiszKBrb6GPU2rl/YeOyakgPcnH+naRCD/Udb/mjgof2Fv/xA\n"
                            "nuyF5Tu/H/yR4H+EIz2LceP4\n"
                            "-----END PRIVATE KEY-----\n";

static const char ecdsa_z[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwz7paXDdTSTCMsJ0\n"
                              "F7INDUYk/6X5acOiUY0GYIQwS0yhRANCAAQvT5veVABU3Zqa5r1FvyKu2t2tug9N\n"
                              "RO+P0y5OJFhut71gSxE9IJ8gh+toq7hmdUWijjCADhjLJGhncLs0iwsA\n"
                              "-----END PRIVATE KEY-----\n";

static const char ed25519_z[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MC4CAQAwBQYDK2VwBCIEIDIqk23QzdvJg9Jy/mmSoG1TM2UjjP1U01ODx4YhyQOR\n"
                                "-----END PRIVATE KEY-----\n";

struct span keys_pem(enum ssh_hostkey_type type)
{
    static const char *const all_z[SSH_HOSTKEY_TYPES] = {
        [SSH_HOSTKEY_RSA] = rsa_z,
        [SSH_HOSTKEY_ECDSA] = ecdsa_z,
        [SSH_HOSTKEY_ED25519] = ed25519_z,
    };
    return span_z(all_z[type]);
}

struct ssh_server *keys_server(const struct ssh_profile *profile)
{
    struct span pems[SSH_HOSTKEY_TYPES];
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++)
        pems[i] = keys_pem((enum ssh_hostkey_type)i);
    return ssh_server_new(profile, pems, SSH_HOSTKEY_TYPES, NULL);
}

void keys_ring_init(struct keys_ring *ring, const struct ssh_profile *profile)
{
    int err;
    ring->server = keys_server(profile);
    ring->suite = crypto_suite_new();
    assert(ring->server && ring->suite);
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++)
        ring->hostkeys[i] = ssh_hostkey_load(keys_pem((enum ssh_hostkey_type)i), &err);
}

void keys_ring_fini(struct keys_ring *ring)
{
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++)
        ssh_hostkey_free(ring->hostkeys[i]);
    crypto_suite_free(ring->suite);
    ssh_server_free(ring->server);
}

struct ssh_client *keys_client(const struct keys_ring *ring,
                               const struct ssh_client_options *options, uint8_t seed)
{
    const uint8_t seeds[CRYPTO_RNG_SEED_BYTES] = {seed, 'c'};
    struct ssh_client *c = ssh_client_new(ring->suite, options, seeds);
    assert(c);
    c->hostkeys = ring->hostkeys;
    return c;
}

int keys_ring_setup(void **state)
{
    static struct keys_ring ring;
    keys_ring_init(&ring, &ssh_profile_openssh_9_2p1);
    *state = &ring;
    return 0;
}

int keys_ring_teardown(void **state)
{
    keys_ring_fini(*state);
    return 0;
}
