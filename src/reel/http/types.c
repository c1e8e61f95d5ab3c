/* What a file's name says about its content. */
#include "reel/http/folder.h"

#include <strings.h>

static const struct {
    const char *ending_z, *type_z;
    bool worth; /* compressing */
} types[] = {
    {"html", "text/html; charset=utf-8", true},
    {"htm", "text/html; charset=utf-8", true},
    {"css", "text/css; charset=utf-8", true},
    {"js", "text/javascript; charset=utf-8", true},
    {"mjs", "text/javascript; charset=utf-8", true},
    {"json", "application/json", true},
    {"map", "application/json", true},
    {"webmanifest", "application/manifest+json", true},
    {"txt", "text/plain; charset=utf-8", true},
    {"md", "text/markdown; charset=utf-8", true},
    {"csv", "text/csv; charset=utf-8", true},
    {"c", "text/plain; charset=utf-8", true},
    {"h", "text/plain; charset=utf-8", true},
    {"log", "text/plain; charset=utf-8", true},
    {"xml", "application/xml", true},
    {"svg", "image/svg+xml", true},
    {"wasm", "application/wasm", true},
    {"ttf", "font/ttf", true},
    {"otf", "font/otf", true},
    {"woff", "font/woff", false},
    {"woff2", "font/woff2", false},
    {"png", "image/png", false},
    {"jpg", "image/jpeg", false},
    {"jpeg", "image/jpeg", false},
    {"gif", "image/gif", false},
    {"webp", "image/webp", false},
    {"avif", "image/avif", false},
    {"ico", "image/x-icon", false},
    {"bmp", "image/bmp", true},
    {"mp3", "audio/mpeg", false},
    {"ogg", "audio/ogg", false},
    {"wav", "audio/wav", false},
    {"mp4", "video/mp4", false},
    {"webm", "video/webm", false},
    {"pdf", "application/pdf", false},
    {"zip", "application/zip", false},
    {"gz", "application/gzip", false},
    {"xz", "application/x-xz", false},
    {"tar", "application/x-tar", true},
    {"pcap", "application/vnd.tcpdump.pcap", true},
};

const char *reel_type_of_name(const char *name_z, bool *worth)
{
    const char *slash_z = strrchr(name_z, '/');
    const char *dot_z = strrchr(slash_z ? slash_z : name_z, '.');
    *worth = false;
    for (size_t i = 0; dot_z && i < ARRAY_LEN(types); i++) {
        if (strcasecmp(dot_z + 1, types[i].ending_z) != 0)
            continue;
        *worth = types[i].worth;
        return types[i].type_z;
    }
    return NULL;
}
