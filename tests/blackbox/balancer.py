"""nginx with the configuration that operators are given, in front of nodes on this machine."""

import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from house import REPOSITORY, House

CONFIGURATION = REPOSITORY / "deploy/nginx/noren.conf"
# what stands around a file of conf.d on any machine, and a log that says which node answered
AROUND = """
daemon off;
worker_processes 1;
pid {root}/pid;
error_log {root}/error.log info;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    log_format nodes escape=json '{{"node":"$upstream_addr","method":"$request_method","path":"$uri","status":$status}}';
    access_log {root}/access.log nodes;
    include {root}/noren.conf;
}}
"""


class Balancer:
    """Its addresses are known before it runs, because nodes have to be told where people reach them."""

    def __init__(self, tls: bool = False):
        self.tls = tls
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="noren-nginx-"))
        self.root.chmod(0o755)
        # taken now and handed over, so that nobody else gets them in between
        self.sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        for taken in self.sockets:
            taken.setblocking(False)  # as nginx makes them
        scheme = "https" if tls else "http"
        self.account, self.inference = (f"{scheme}://localhost:{taken.getsockname()[1]}" for taken in self.sockets)

    def start(self, nodes: list[House]) -> None:
        """Puts addresses into the configuration, which is otherwise as it is, and starts."""
        text = CONFIGURATION.read_text()
        for number, node in enumerate(nodes, 11):
            for port, url in ((8080, node.account), (8081, node.inference)):
                example = f"server 10.0.0.{number}:{port} "
                assert text.count(example) == 1
                text = text.replace(example, f"server {url.removeprefix('http://')} ")
        if self.tls:
            certificate, key = self.certify()
            text = re.sub(r"ssl_certificate_key .*;", f"ssl_certificate_key {key};", re.sub(r"ssl_certificate .*;", f"ssl_certificate {certificate};", text))
        else:
            text = re.sub(r"^ *ssl_certificate.*\n", "", text, flags=re.M)
        for name, taken in zip(("noren.example", "inference.noren.example"), self.sockets):
            example = f"listen 443 ssl http2;\n    server_name {name};"
            assert text.count(example) == 1
            text = text.replace(example, f"listen 127.0.0.1:{taken.getsockname()[1]}{' ssl http2' if self.tls else ''};\n    server_name localhost;")
        (self.root / "noren.conf").write_text(text)
        (self.root / "nginx.conf").write_text(AROUND.format(root=self.root))
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        fds = [taken.fileno() for taken in self.sockets]
        with open(self.root / "output", "wb") as output:
            self.process = subprocess.Popen([program, "-p", self.root, "-c", self.root / "nginx.conf"], pass_fds=fds, stdout=output, stderr=output,
                                            stdin=subprocess.DEVNULL, env={"NGINX": "".join(f"{fd};" for fd in fds), "PATH": os.environ["PATH"]})

    def certify(self) -> tuple[pathlib.Path, pathlib.Path]:
        """A certificate for this machine, of its own making, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
                .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
        paths = self.root / "certificate.pem", self.root / "key.pem"
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return paths

    def log(self) -> list[dict]:
        """What was asked so far, in the order in which it ended. `node` names all that were asked, the last answered."""
        return [json.loads(line) for line in (self.root / "access.log").read_text().splitlines()]

    def stop(self) -> None:
        """Stops, and checks that it ran all the time."""
        said = (self.root / "output").read_text()
        ended = self.process.poll()
        self.process.terminate()
        self.process.wait(20)
        for taken in self.sockets:
            taken.close()
        shutil.rmtree(self.root, ignore_errors=True)
        assert ended is None, said
