#include "reel/smtp/result.h"

#include "reel/list.h"
#include "reel/loop.h"

#include <reel/transport.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct smtp_result *reel_smtp_result_new(struct reel_reactor *r, const struct smtp_job *job)
{
    size_t recipients = job->to_count * sizeof(struct reel_smtp_recipient), addresses = 0;
    for (size_t i = 0; i < job->to_count; i++)
        addresses += strlen(job->to_z[i]) + 1;
    struct smtp_result *result = reel_memory_new_zeroed(
        r, sizeof(*result) + recipients + addresses + job->to_count * (size_t)REEL_SMTP_TEXT_MAX);
    if (!result)
        return NULL;
    result->reactor = r;
    result->addresses = (char *)result->recipients + recipients;
    result->texts = result->addresses + addresses;
    result->is.recipients = result->recipients;
    result->is.recipient_count = job->to_count;
    char *at = result->addresses;
    for (size_t i = 0; i < job->to_count; i++) {
        size_t len = strlen(job->to_z[i]) + 1;
        memcpy(at, job->to_z[i], len);
        result->recipients[i].address_z = at;
        result->recipients[i].reply.text_z = result->texts + i * REEL_SMTP_TEXT_MAX;
        at += len;
    }
    return result;
}

void reel_smtp_result_free(struct smtp_result *result)
{
    if (result)
        reel_memory_free(result->reactor, result);
}

void reel_smtp_result_release(void *pointer)
{
    struct reel_smtp_result *is = pointer;
    reel_smtp_result_free(CONTAINER_OF(is, struct smtp_result, is));
}

void reel_smtp_result_recipient(struct smtp_result *result, size_t index,
                                const struct reel_smtp_reply *reply)
{
    result->recipients[index].reply.code = reply->code;
    snprintf(result->texts + index * REEL_SMTP_TEXT_MAX, REEL_SMTP_TEXT_MAX, "%s", reply->text_z);
}

void reel_smtp_result_why(struct smtp_result *result, const char *why_z)
{
    snprintf(result->why, sizeof(result->why), "%s", why_z);
    result->is.why_z = result->why;
}

/* A sentence for what the machine itself ends with. */
static const char *why(int error)
{
    switch (error) {
    case -EPROTO: return "the server does not keep to SMTP";
    case -EACCES: return "the server offers no encryption, or no way to authenticate";
    case -EMSGSIZE: return "the message is larger than the server takes";
    case -EILSEQ: return "the message has 8-bit bytes, which the server does not take";
    default: return reel_reason_text(error);
    }
}

void reel_smtp_result_finish(struct smtp_result *result, const struct smtp_machine *m)
{
    const struct smtp_ending *ending = &m->ending;
    struct reel_smtp_result *is = &result->is;
    bool taken = ending->outcome == REEL_SMTP_SENT || ending->outcome == REEL_SMTP_PARTLY;
    snprintf(result->text, sizeof(result->text), "%s", ending->reply.text_z);
    is->outcome = ending->outcome;
    is->error = ending->error;
    is->step_z = reel_smtp_step_name(ending->step);
    is->reply = (struct reel_smtp_reply){ending->reply.code, result->text};
    is->encrypted = m->secure;
    if (!is->error)
        is->why_z = NULL;
    else if (!is->why_z)
        is->why_z = why(is->error);
    for (size_t i = 0; i < is->recipient_count; i++) {
        int class = result->recipients[i].reply.code / 100;
        result->recipients[i].outcome = class == 4   ? REEL_SMTP_TEMPORARY
                                        : class == 5 ? REEL_SMTP_PERMANENT
                                        : taken      ? REEL_SMTP_SENT
                                                     : ending->outcome;
    }
}
