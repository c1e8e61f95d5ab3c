#!/usr/bin/python3
"""A relay for smtp_peer_test: aiosmtpd with STARTTLS and authentication. Prints its port, then each
message it took as one JSON line.

usage: smtp_relay.py CERTIFICATE.pem
"""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        if address.startswith("later@"):
            return "450 4.2.1 try again"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.original_content.decode("latin-1"),
            "tls": session.ssl is not None,
            "user": session.auth_data,
        }), flush=True)
        return "250 2.0.0 queued as 4711"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == b"user" and data.password == b"s\xc3\xa9same"
    return AuthResult(success=good, handled=False, auth_data="user" if good else None)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), hostname="relay", tls_context=context, require_starttls=True,
                     auth_required=True, authenticator=authenticate, enable_SMTPUTF8=False, loop=loop),
        "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
