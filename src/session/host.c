#include "session/host.h"

#include <stdlib.h>

enum { HOST_ARENA_BYTES = 4096 };

const struct session_limits session_limits_default = {
    .idle_ms = INT64_C(30) * 60 * 1000,
    .total_ms = INT64_C(6) * 60 * 60 * 1000,
    .output_bytes = UINT64_C(256) * 1024 * 1024,
    .failed_tries = 0,
    .variables = 64,
    .recorded_file = 64 * 1024 * 1024,
    .recorded_bytes = UINT64_C(512) * 1024 * 1024,
};

struct session_host *session_host_new(const struct session_config *config)
{
    struct session_host *host = calloc(1, sizeof *host);
    if (host == NULL)
        return NULL;
    arena_init(&host->arena, HOST_ARENA_BYTES);
    host->config = *config;
    if (config->limits.kernel.instructions == 0)
        host->config.limits.kernel = kernel_limits_default;
    host->config.hostname = arena_copy(&host->arena, config->hostname);
    host->config.address = arena_copy(&host->arena, config->address);
    host->sensor.name = arena_copy(&host->arena, config->sensor_name);
    host->sensor.uuid = arena_copy(&host->arena, config->sensor_uuid);
    host->suite = crypto_suite_new();
    if (host->suite == NULL || host->config.hostname.data == NULL ||
        host->sensor.name.data == NULL || host->sensor.uuid.data == NULL) {
        session_host_free(host);
        return NULL;
    }
    return host;
}

void session_host_free(struct session_host *host)
{
    if (host == NULL)
        return;
    crypto_suite_free(host->suite);
    session_known_fini(&host->known);
    arena_fini(&host->arena);
    free(host);
}

void session_host_know(struct session_host *host, struct span visitors)
{
    struct frame_visitor visitor;
    host->known.told = true;
    for (size_t i = 0; frame_visitor_at(visitors, i, &visitor); i++)
        session_known_add(&host->known, &visitor);
}

const struct session_counters *session_host_counters(const struct session_host *host)
{
    return &host->counters;
}
