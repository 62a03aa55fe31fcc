"""localstripe at a free port of this machine, which it prints. It keeps nothing on the disk."""

import socket

from aiohttp import web
from localstripe import resources, server

# its own start needs IPv6, and all that runs on a machine shares one file below /tmp
resources.Store.dump_to_disk = lambda self: None

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
web.run_app(server.app, sock=listener, print=None)
