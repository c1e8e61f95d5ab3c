#include "ssh/zip.h"

#include "base/error.h"

#include <stdint.h>

enum { LEVEL = 6, PIECE_BYTES = 4096 };

void ssh_zip_init(struct ssh_zip *zip)
{
    *zip = (struct ssh_zip){.in_on = false};
    buffer_init(&zip->inflated, SSH_ZIP_MAX_BYTES);
    buffer_init(&zip->deflated, SSH_ZIP_MAX_BYTES);
}

void ssh_zip_stop(struct ssh_zip *zip, bool in)
{
    if (in && zip->in_on) {
        inflateEnd(&zip->in);
        zip->in_on = false;
    }
    if (!in && zip->out_on) {
        deflateEnd(&zip->out);
        zip->out_on = false;
    }
}

void ssh_zip_fini(struct ssh_zip *zip)
{
    ssh_zip_stop(zip, true);
    ssh_zip_stop(zip, false);
    buffer_fini(&zip->inflated);
    buffer_fini(&zip->deflated);
}

int ssh_zip_start_in(struct ssh_zip *zip)
{
    if (zip->in_on)
        return inflateReset(&zip->in) == Z_OK ? 0 : ERR_NOMEM;
    zip->in_on = inflateInit(&zip->in) == Z_OK;
    return zip->in_on ? 0 : ERR_NOMEM;
}

int ssh_zip_start_out(struct ssh_zip *zip)
{
    if (zip->out_on)
        return deflateReset(&zip->out) == Z_OK ? 0 : ERR_NOMEM;
    zip->out_on = deflateInit(&zip->out, LEVEL) == Z_OK;
    return zip->out_on ? 0 : ERR_NOMEM;
}

/* Runs the stream until the input is used up and nothing more comes out. */
static int run(z_stream *stream, int (*step)(z_stream *, int), int flush, struct span in,
               struct buffer *out)
{
    buffer_clear(out);
    /* Declared writable, but only read. */
    stream->next_in = (uint8_t *)(uintptr_t)in.data;
    stream->avail_in = (uInt)in.len;
    do {
        uint8_t piece[PIECE_BYTES];
        stream->next_out = piece;
        stream->avail_out = sizeof(piece);
        int result = step(stream, flush);
        if (result == Z_BUF_ERROR)
            return 0; /* nothing is left to do */
        if (result != Z_OK)
            return result == Z_MEM_ERROR ? ERR_NOMEM : ERR_MALFORMED;
        int err = buffer_put(out, span_of(piece, sizeof(piece) - stream->avail_out));
        if (err < 0)
            return err;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return 0;
}

int ssh_zip_inflate(struct ssh_zip *zip, struct span in, struct span *out)
{
    int err = run(&zip->in, inflate, Z_SYNC_FLUSH, in, &zip->inflated);
    *out = buffer_span(&zip->inflated);
    return err;
}

int ssh_zip_deflate(struct ssh_zip *zip, struct span in, struct span *out)
{
    int err = run(&zip->out, deflate, zip->sync_flush ? Z_SYNC_FLUSH : Z_PARTIAL_FLUSH, in,
                  &zip->deflated);
    *out = buffer_span(&zip->deflated);
    return err;
}
