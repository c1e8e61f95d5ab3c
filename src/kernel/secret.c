#include "kernel/secret.h"

#include "crypto/yescrypt.h"
#include "kernel/fs.h"
#include "kernel/identity.h"
#include "kernel/machine.h"
#include "kernel/overlay.h"
#include "kernel/task.h"
#include "persona/dress.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/etc/shadow"

enum {
    STEPS_AT_ONCE = 64,
    SHADOW_MAX = 65536,
    PREFIX = sizeof(CRYPTO_YESCRYPT_PREFIX) - 1 + CRYPTO_YESCRYPT_SALT +
             1, /* and the dollar behind the salt */
};

struct secret {
    struct crypto_yescrypt *hash; /* NULL: not begun */
    int64_t at;                   /* where its letters stand in the file */
    size_t len;
    char password[SECRET_PASSWORD_MAX];
};

struct secret *secret_new(struct span password)
{
    bool is_good =
        password.len > 0 && password.len <= SECRET_PASSWORD_MAX && span_find(password, '\0', 0) < 0;
    struct secret *secret = is_good ? calloc(1, sizeof(*secret)) : NULL;
    if (secret == NULL)
        return NULL;
    secret->len = password.len;
    memcpy(secret->password, password.data, password.len);
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL)
        return;
    crypto_yescrypt_free(secret->hash);
    sodium_memzero(secret, sizeof(*secret));
    free(secret);
}

static void forget(struct kernel *k)
{
    secret_free(k->secret);
    k->secret = NULL;
}

/* The hash of an account, with its prefix and salt; empty: it has none of this kind. */
static struct span hash_of(struct span text, struct span user)
{
    while (text.len > 0) {
        ptrdiff_t end = span_find(text, '\n', 0);
        struct span line = span_slice(text, 0, end < 0 ? text.len : (size_t)end);
        text = span_slice(text, line.len + 1, text.len);
        if (!span_starts_with(line, user) || line.len <= user.len || line.data[user.len] != ':')
            continue;
        line = span_slice(line, user.len + 1, line.len);
        ptrdiff_t colon = span_find(line, ':', 0);
        line = span_slice(line, 0, colon < 0 ? line.len : (size_t)colon);
        bool is_such = line.len == PREFIX + CRYPTO_YESCRYPT_HASH &&
                       span_starts_with(line, span_z(CRYPTO_YESCRYPT_PREFIX)) &&
                       line.data[PREFIX - 1] == '$';
        return is_such ? line : span_of(NULL, 0);
    }
    return span_of(NULL, 0);
}

/* It is that of the image, with its salt: nobody has set another password. */
static struct crypto_yescrypt *begin(struct kernel *k, struct secret *secret)
{
    struct buffer now, before;
    struct crypto_yescrypt *made = NULL;
    struct span user = span_z(k->login.user_z);
    buffer_init(&now, SHADOW_MAX);
    buffer_init(&before, SHADOW_MAX);
    if (kernel_read_file(k, PATH, &now) == 0 &&
        persona_read_file(k->image, span_z(PATH), &before) == 0) {
        struct span own = hash_of(buffer_span(&now), user);
        struct span first = hash_of(buffer_span(&before), user);
        if (own.len > 0 && span_equal(span_slice(own, 0, PREFIX), span_slice(first, 0, PREFIX))) {
            secret->at = own.data + PREFIX - buffer_span(&now).data;
            made = crypto_yescrypt_new(
                span_of(secret->password, secret->len),
                span_slice(own, sizeof(CRYPTO_YESCRYPT_PREFIX) - 1, PREFIX - 1));
        }
    }
    buffer_fini(&now);
    buffer_fini(&before);
    return made;
}

bool secret_is_awaited(struct kernel *k, const struct vfs_at *at, struct span path)
{
    static const struct span name = SPAN_LIT("shadow");
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at own_at = {.cred = &root};
    struct file_stat own, asked;
    if (k->secret == NULL || path.len < name.len ||
        !span_equal(span_slice(path, path.len - name.len, path.len), name) ||
        (own_at.fs = fs_context_new(k->vfs)) == NULL)
        return false;
    bool is_it = vfs_stat(&own_at, span_z(PATH), true, &own) == 0 &&
                 vfs_stat(at, path, true, &asked) == 0 && own.ino == asked.ino &&
                 own.dev == asked.dev && vfs_may(at->cred, k->vfs->top, &asked, R_OK) == 0;
    fs_context_drop(own_at.fs);
    if (is_it && k->secret->hash == NULL && (k->secret->hash = begin(k, k->secret)) == NULL) {
        forget(k);
        is_it = false;
    }
    return is_it;
}

/* It has always been there: no time of the file's tells otherwise, and no visitor has changed it. */
static void put(struct kernel *k, const char letters[CRYPTO_YESCRYPT_HASH], int64_t at_byte)
{
    char now[CRYPTO_YESCRYPT_HASH];
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    struct file *f = NULL;
    struct file_stat before;
    bool was_unchanged = vfs_changes(k->vfs) == k->changes_at_start;
    bool is_open = at.fs != NULL && vfs_open(&at, span_z(PATH), O_RDWR, 0, &f) == 0;
    if (is_open && file_stat(f, &before) == 0 && overlay_is(f->node.fs) &&
        file_pread(f, NULL, now, sizeof(now), at_byte) == sizeof(now) &&
        memcmp(now, letters, sizeof(now)) != 0) {
        (void)file_pwrite(f, NULL, letters, CRYPTO_YESCRYPT_HASH, at_byte);
        f->changed = false;
        struct inode *i = overlay_inode_find(overlay_of(f->node.fs), f->node.ino);
        if (i != NULL) {
            i->atime_ns = before.atime_ns;
            i->mtime_ns = before.mtime_ns;
            i->ctime_ns = before.ctime_ns;
        }
    }
    file_drop(f);
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    if (was_unchanged)
        k->changes_at_start = vfs_changes(k->vfs);
}

int64_t secret_work(struct task *t)
{
    struct kernel *k = t->kernel;
    char letters[CRYPTO_YESCRYPT_HASH];
    kernel_charge(k, (uint64_t)STEPS_AT_ONCE * CRYPTO_YESCRYPT_STEP_NS * KERNEL_INSTRUCTIONS_US /
                         1000);
    if (crypto_yescrypt_run(k->secret->hash, STEPS_AT_ONCE, letters)) {
        put(k, letters, k->secret->at);
        forget(k);
    }
    return task_continue(t, 0);
}
