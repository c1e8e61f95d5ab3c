/* Compression of payloads (RFC 4253, section 6.2; zlib@openssh.com: from the login on), for one
 * connection. Nothing is allocated before it starts. */
#ifndef SSH_ZIP_H
#define SSH_ZIP_H

#include "base/buffer.h"

#include <zlib.h>

enum { SSH_ZIP_MAX_BYTES = 256 * 1024 }; /* of a payload, before or after */

struct ssh_zip {
    bool in_on, out_on;
    bool sync_flush; /* each payload ends so, and not with a partial flush */
    z_stream in, out;
    struct buffer inflated, deflated;
};

void ssh_zip_init(struct ssh_zip *zip);
void ssh_zip_fini(struct ssh_zip *zip);

/* Starts a direction with a new stream, in place of a running one. 0 or ERR_NOMEM. */
int ssh_zip_start_in(struct ssh_zip *zip);
int ssh_zip_start_out(struct ssh_zip *zip);

void ssh_zip_stop(struct ssh_zip *zip, bool in);

/* The result is borrowed until the next call in the same direction. 0; ERR_MALFORMED: no such
 * stream; ERR_FULL: more than the maximum comes out; ERR_NOMEM. */
int ssh_zip_inflate(struct ssh_zip *zip, struct span in, struct span *out);
int ssh_zip_deflate(struct ssh_zip *zip, struct span in, struct span *out);

#endif
