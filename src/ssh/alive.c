/* ClientAliveInterval and ClientAliveCountMax (sshd_config(5)): a client that is silent after the login
 * is asked for a sign of life; one that gives none is left without a word. */
#include "ssh/machine.h"

int64_t ssh_alive_deadline(const struct ssh *s)
{
    if (s->phase != SSH_PHASE_CONNECTION || s->profile->alive_interval_ms == 0)
        return INT64_MAX;
    return s->heard_us + (int64_t)s->profile->alive_interval_ms * 1000;
}

static bool is_open(const struct ssh_channel *c)
{
    return (c->kind == SSH_CHANNEL_SESSION || c->kind == SSH_CHANNEL_FORWARD) &&
           c->step != SSH_CHANNEL_OPENING && c->step != SSH_CHANNEL_OFFERED;
}

/* OpenSSH asks on the first channel that it finds open, even one without a program. */
static const struct ssh_channel *first_open(const struct ssh *s)
{
    for (uint32_t i = 0; i < s->channels_used; i++)
        if (is_open(&s->channels[i]))
            return &s->channels[i];
    return NULL;
}

/* A request that no client knows: it has to answer with a failure. */
static void ask(struct ssh *s)
{
    const struct ssh_channel *channel = first_open(s);
    ssh_begin(s, channel ? SSH_MSG_CHANNEL_REQUEST : SSH_MSG_GLOBAL_REQUEST);
    if (channel)
        ssh_put_u32(s, channel->peer_id);
    ssh_put_string_z(s, "keepalive@openssh.com");
    ssh_put_u8(s, 1); /* a reply is wanted */
    ssh_send(s);
}

void ssh_alive_tick(struct ssh *s)
{
    if (s->now_us < ssh_alive_deadline(s))
        return;
    s->heard_us = s->now_us;
    if (s->profile->alive_count_max > 0 && ++s->unanswered > s->profile->alive_count_max) {
        ssh_emit(s, SSH_EVENT_END);
        ssh_finish(s);
        return;
    }
    ask(s);
}
