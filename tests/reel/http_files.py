#!/usr/bin/python3
"""A server for http_client_peer_test: Python's own, with files, redirects, chunks and an echo.

usage: http_files.py
"""
import gzip
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, **fields):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/old":
            self.protocol_version = "HTTP/1.0"
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nold")
            self.close_connection = True
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/packed")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/packed":
            self.answer(gzip.compress(b"packed " * 1000), Content_Encoding="gzip")
        elif self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for size in (1, 10000, 100000):
                self.wfile.write(b"%x\r\n%s\r\n" % (size, b"c" * size))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.answer(b"hello")

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"]))[::-1])

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
