/* Reaches src/reel/endpoint.c and address.c: an endpoint's string as a configuration might have it.
 * What is good has an address with a text, or a descriptor; what is not has a sentence. */
#include <reel/reel.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int err, const struct reel_endpoint *e, const char *why_z)
{
    char text[REEL_ADDRESS_TEXT_MAX];
    assert(err == 0 ? !why_z : err == -EINVAL && why_z);
    if (err < 0)
        return;
    assert((e->fd >= 0) + (e->address.length > 0) + e->systemd.is_on + e->is_stdio +
               (*e->host_z != 0) ==
           1);
    assert(strlen(e->device_z) < sizeof(e->device_z));
    assert(e->systemd.index >= 0 && strlen(e->systemd.name_z) < sizeof(e->systemd.name_z));
    assert(e->address.length <= sizeof(e->address.storage));
    assert(strlen(reel_address_text(&e->address, text, sizeof(text))) < sizeof(text));
    struct reel_tls_options tls;
    const char *name_z = NULL;
    reel_endpoint_tls_options(e, &tls, &name_z);
    assert(e->tls.is_on || (!tls.certificate_z && !name_z));
    assert(!tls.certificate_z || *tls.certificate_z);
    assert(!name_z || strlen(name_z) <= REEL_ENDPOINT_MAX);
    assert(e->listen.backlog >= 0 && e->listen.mode <= 0777 && e->timeout_ns >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text_z = malloc(size + 1); /* of this size, so that a read past the end is seen */
    if (!text_z)
        return 0;
    memcpy(text_z, data, size);
    text_z[size] = '\0';
    struct reel_endpoint e;
    const char *why_z = NULL;
    int err = reel_endpoint_parse_server(text_z, &e, &why_z);
    check(err, &e, why_z);
    err = reel_endpoint_parse_client(text_z, &e, &why_z);
    check(err, &e, why_z);
    free(text_z);
    return 0;
}
