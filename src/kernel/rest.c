#include "kernel/rest.h"

#include "kernel/fs.h"
#include "kernel/mm.h"
#include "kernel/model.h"
#include "kernel/task.h"

#define QUIET_NS INT64_C(1000000000)  /* who types is not packed and unpacked between two keys */
#define AGAIN_NS INT64_C(10000000000) /* a model is still to be made */
/* Of a machine, looked at in one rest: a login shell has 400, and others wait meanwhile. */
#define REST_PAGES_MAX 2048

void kernel_stir(struct kernel *k)
{
    k->rest_ns = k->now_ns + QUIET_NS;
}

bool kernel_is_at_rest(const struct kernel *k)
{
    return k->rest_ns == INT64_MAX;
}

static bool rest_memory(struct mm *mm, size_t *budget)
{
    bool done = model_pack(mm, budget) == 0;
    cpu_space_rest(mm->space);
    return done;
}

void kernel_rest(struct kernel *k)
{
    size_t budget = REST_PAGES_MAX;
    bool done = true;
    if (k->now_ns < k->rest_ns)
        return;
    for (struct task *t = k->tasks; t != NULL; t = t->next)
        if (t->mm != NULL)
            done &= rest_memory(t->mm, &budget);
    cpu_pool_rest(k->pool);
    for (struct fs *fs = k->vfs->mounts; fs != NULL; fs = fs->next)
        if (fs->ops->rest != NULL)
            fs->ops->rest(fs->super);
    k->rest_ns = done ? INT64_MAX : k->now_ns + AGAIN_NS;
}
