/* A client's sessions: what a server gave to be recognised by, one for each name. In TLS 1.3 a session
 * is used once (RFC 8446 appendix C.4): the connection that uses it brings the next. */
#include "reel/tls/tls.h"

#include <stdlib.h>
#include <string.h>

static void session_free(struct tls_session *s)
{
    SSL_SESSION_free(s->session);
    free(s);
}

/* With the lock. */
static struct tls_session *take(struct reel_tls_context *context, const char *name_z)
{
    struct tls_session **link = &context->oldest;
    while (*link && name_z && strcmp((*link)->name_z, name_z) != 0)
        link = &(*link)->next;
    struct tls_session *s = *link;
    if (!s)
        return NULL;
    *link = s->next;
    if (!s->next)
        context->newest = link;
    context->session_count--;
    return s;
}

static void put(struct reel_tls_context *context, struct tls_session *s)
{
    pthread_mutex_lock(&context->lock);
    struct tls_session *gone = take(context, s->name_z);
    if (!gone && context->session_count == TLS_SESSIONS_MAX)
        gone = take(context, NULL);
    s->next = NULL;
    *context->newest = s;
    context->newest = &s->next;
    context->session_count++;
    pthread_mutex_unlock(&context->lock);
    if (gone)
        session_free(gone);
}

/* 1: the session is kept, its reference with it. */
int reel_tls_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_filter *tls = SSL_get_app_data(ssl);
    if (!tls || tls->is_server || !tls->name_z)
        return 0;
    struct tls_session *s = calloc(1, sizeof(*s));
    if (!s)
        return 0;
    if (!reel_tls_lower(tls->name_z, strlen(tls->name_z), s->name_z)) {
        free(s);
        return 0;
    }
    s->session = session;
    put(tls->context, s);
    return 1;
}

void reel_tls_session_use(struct tls_filter *tls)
{
    char name_z[TLS_NAME_MAX + 1];
    if (!tls->name_z || !reel_tls_lower(tls->name_z, strlen(tls->name_z), name_z))
        return;
    pthread_mutex_lock(&tls->context->lock);
    struct tls_session *s = take(tls->context, name_z);
    pthread_mutex_unlock(&tls->context->lock);
    if (!s)
        return;
    bool good = SSL_SESSION_is_resumable(s->session) && SSL_set_session(tls->ssl, s->session) == 1;
    if (good && SSL_SESSION_get_protocol_version(s->session) < TLS1_3_VERSION)
        put(tls->context, s); /* there may be no next one */
    else
        session_free(s);
}

void reel_tls_sessions_clear(struct reel_tls_context *context)
{
    struct tls_session *s = NULL;
    while ((s = take(context, NULL)))
        session_free(s);
}
