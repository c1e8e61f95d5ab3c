/* What the real server's processes need before an answer leaves: the machine is silent meanwhile,
 * and the CPU free. */
#include "ssh/machine.h"

/* A line through the three points of the profile: a twentieth of the draws are below the first, as
 * many above the last. */
int64_t ssh_wait_draw_us(struct ssh *s, enum ssh_wait step)
{
    enum { STEPS = 1 << 16, HALF = STEPS / 2 };
    const struct ssh_profile_wait *wait = &s->profile->waits[step];
    if (!s->server->waits || wait->median_us == 0)
        return 0;
    int64_t at = crypto_rng_u32(&s->rng) % STEPS;
    int64_t low = wait->low_us, middle = wait->median_us, high = wait->high_us;
    if (at < HALF)
        return low + (middle - low) * at / HALF;
    return middle + (high - middle) * (at - HALF) / HALF;
}

void ssh_wait_start(struct ssh *s, enum ssh_wait step)
{
    int64_t wait_us = ssh_wait_draw_us(s, step);
    if (wait_us > 0)
        s->silent_until_us = s->now_us + wait_us;
}

bool ssh_is_silent(const struct ssh *s)
{
    return ssh_wait_is_on(s);
}

bool ssh_wait_is_on(const struct ssh *s)
{
    return s->now_us < s->silent_until_us;
}
