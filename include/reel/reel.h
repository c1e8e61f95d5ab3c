/* reel: an event-driven networking engine. This header is all of it.
 *
 * The echo server:
 *
 *     static size_t echo_data(struct reel_transport *t, const uint8_t *data, size_t len)
 *     {
 *         return reel_write(t, data, len) == 0 ? len : 0;
 *     }
 *
 *     static const struct reel_protocol echo = {.data = echo_data};
 *     static const struct reel_factory echo_factory = {.protocol = &echo};
 *
 *     int main(void)
 *     {
 *         struct reel_reactor *reactor = reel_reactor_new(NULL);
 *         reel_listen(reactor, "tcp:8080", &echo_factory, NULL);
 *         reel_run(reactor);
 *         reel_reactor_free(reactor);
 *     }
 *
 * The guide: docs/reel/README.md. */
#ifndef REEL_REEL_H
#define REEL_REEL_H

#include <reel/address.h>
#include <reel/datagram.h>
#include <reel/deferred.h>
#include <reel/descriptor.h>
#include <reel/dial.h>
#include <reel/endpoint.h>
#include <reel/fiber.h>
#include <reel/file.h>
#include <reel/filter.h>
#include <reel/forward.h>
#include <reel/framing.h>
#include <reel/group.h>
#include <reel/http.h>
#include <reel/http_client.h>
#include <reel/http_static.h>
#include <reel/inotify.h>
#include <reel/line.h>
#include <reel/mail.h>
#include <reel/net.h>
#include <reel/policy.h>
#include <reel/pool.h>
#include <reel/process.h>
#include <reel/producer.h>
#include <reel/protocol.h>
#include <reel/proxy.h>
#include <reel/reactor.h>
#include <reel/reconnect.h>
#include <reel/resolver.h>
#include <reel/serial.h>
#include <reel/shutdown.h>
#include <reel/signal.h>
#include <reel/simulation.h>
#include <reel/smtp.h>
#include <reel/socks.h>
#include <reel/stdio.h>
#include <reel/systemd.h>
#include <reel/tcp.h>
#include <reel/testing.h>
#include <reel/timer.h>
#include <reel/tls.h>
#include <reel/transport.h>
#include <reel/url.h>
#include <reel/websocket.h>
#include <reel/workers.h>

#endif
