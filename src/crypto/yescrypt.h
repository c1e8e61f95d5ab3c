/* yescrypt, the password hash of Debian 12 (crypt(5), "y"), with the one cost that Debian uses: "$y$j9T$", which is N
 * 4096, r 32, p 1. It takes 16 MiB and some 40 ms, so it is done in steps. Alexander Peslyak, "yescrypt - password
 * hashing scalable beyond bcrypt and scrypt". */
#ifndef CRYPTO_YESCRYPT_H
#define CRYPTO_YESCRYPT_H

#include "base/span.h"

#define CRYPTO_YESCRYPT_PREFIX "$y$j9T$"

enum {
    CRYPTO_YESCRYPT_SALT = 22,      /* letters of the salt, as they stand behind the prefix */
    CRYPTO_YESCRYPT_HASH = 43,      /* letters of the hash, behind another "$" */
    CRYPTO_YESCRYPT_STEPS = 5548,   /* in all */
    CRYPTO_YESCRYPT_STEP_NS = 6600, /* that one takes, about: measured */
};

struct crypto_yescrypt;
/* `salt` is those letters. NULL: no such salt, or out of memory. */
struct crypto_yescrypt *crypto_yescrypt_new(struct span password, struct span salt);
void crypto_yescrypt_free(struct crypto_yescrypt *y); /* wiped */
/* Does so many steps. True: it is done, and the letters stand in `out`. */
bool crypto_yescrypt_run(struct crypto_yescrypt *y, uint32_t steps, char out[CRYPTO_YESCRYPT_HASH]);

#endif
