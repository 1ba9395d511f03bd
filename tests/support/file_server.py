"""Where files lie: an HTTP server that takes uploads as Linphone's applications make them, and gives what it has."""
import email
import http.server
import socketserver
import threading

from support import loopback


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks DNS for the name of its address


class FileServer:
    """files: by name, what there is; it may be added to."""

    def __init__(self, host):
        self.files = {}
        files, self.url = self.files, f"http://{host}:{loopback.free_port(host, 8080)}"
        url = self.url

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", kind="application/xml"):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", kind)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_GET(self):
                name = self.path.rpartition("/")[2]
                self.answer(200, files[name], "image/png") if name in files else self.answer(404)

            do_HEAD = do_GET

            def do_POST(self):
                """The first has no body, to ask whether it may; of the second the part with a file name is kept."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
                if not body:
                    return self.answer(204)
                form = email.message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
                part = next(each for each in form.get_payload() if each.get_filename())
                name, data = part.get_filename(), part.get_payload(decode=True)
                files[name] = data
                self.answer(200, f'''<?xml version="1.0" encoding="UTF-8"?>
<file xmlns="urn:gsma:params:xml:ns:rcs:rcs:fthttp"><file-info type="file"><file-size>{len(data)}</file-size>
<file-name>{name}</file-name><content-type>image/png</content-type>
<data url="{url}/{name}" until="2037-01-01T00:00:00Z"/></file-info></file>'''.encode())

            def _chunks(self):
                body = b""
                while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                return body

        self._server = Server((host, int(url.rpartition(":")[2])), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
