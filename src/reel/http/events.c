#include "reel/http/site.h"
void events_free(struct reel_http_request *q)
{
    (void)q;
}
