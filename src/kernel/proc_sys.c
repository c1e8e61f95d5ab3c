/* /proc/sys: values that the visitor has set. Nothing but what shows them knows of them. */
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "kernel/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct setting {
    struct setting *next;
    uint64_t ino;
    char value_z[PROC_SETTING_MAX];
};

const char *proc_setting(const struct kernel *k, uint64_t ino)
{
    const struct setting *s = k != NULL ? k->settings : NULL;
    while (s != NULL && s->ino != ino)
        s = s->next;
    return s != NULL ? s->value_z : NULL;
}

bool proc_setting_at(const struct kernel *k, size_t index, uint64_t *ino, const char **value_z)
{
    const struct setting *s = k->settings;
    while (s != NULL && index-- > 0)
        s = s->next;
    if (s == NULL)
        return false;
    *ino = s->ino;
    *value_z = s->value_z;
    return true;
}

/* Numbers, with blanks between them. */
static bool is_numeric(struct span text)
{
    bool any = false;
    for (size_t i = 0; i < text.len; i++) {
        bool digit = text.data[i] >= '0' && text.data[i] <= '9';
        bool blank = text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\n';
        if (!digit && !blank && text.data[i] != '-')
            return false;
        any |= digit;
    }
    return any;
}

int proc_set(struct kernel *k, uint64_t ino, struct span before, struct span value)
{
    size_t count = 0;
    struct setting *s = k->settings;
    if (value.len >= PROC_SETTING_MAX || (is_numeric(before) && !is_numeric(value)))
        return -EINVAL;
    for (; s != NULL && s->ino != ino; s = s->next)
        count++;
    if (s == NULL) {
        s = count < PROC_SETTINGS_MAX ? calloc(1, sizeof(*s)) : NULL;
        if (s == NULL)
            return -ENOMEM;
        s->ino = ino;
        s->next = k->settings;
        k->settings = s;
    }
    (void)span_copy_z(value, s->value_z, sizeof(s->value_z));
    k->vfs->changes++; /* kept as files are (facts.h) */
    return 0;
}

void proc_forget_settings(struct kernel *k)
{
    while (k->settings != NULL) {
        struct setting *s = k->settings;
        k->settings = s->next;
        free(s);
    }
}
