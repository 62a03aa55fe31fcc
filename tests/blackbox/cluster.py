"""A throw-away PostgreSQL for tests that need to hold its plug: made, stopped and started at will."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import urllib.parse

import psycopg


def programs() -> pathlib.Path:
    """The folder of the newest installed server's programs."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    return pathlib.Path(shutil.which("postgres") or "/nowhere/postgres").parent


class Cluster:
    """One server on a unix socket. PostgreSQL refuses to be root, so as root it runs as `postgres`."""

    def __init__(self, connections: int = 300, of: "Cluster | None" = None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="noren-pg-"))
        self.root.chmod(0o755)
        self.data, self.socket = self.root / "pg", self.root / "sock"
        self.user = "postgres" if os.geteuid() == 0 else None
        self.options = f"-k {self.socket} -c listen_addresses= -c max_connections={connections} -c jit=off"
        self.count = 0
        for folder in (self.data, self.socket):
            folder.mkdir(mode=0o700)
            if self.user:
                account = pwd.getpwnam(self.user)
                os.chown(folder, account.pw_uid, account.pw_gid)
        if of:
            # -R: it finds its primary by itself; with a slot the primary keeps what a stopped replica has not read yet
            self._run("pg_basebackup", "-D", self.data, "-h", of.socket, "-U", "noren_owner", "-R", "-X", "stream", "-C", "-S",
                      self.root.name.replace("-", "_").lower(), "-c", "fast", "--no-sync")
            self.start()
            return
        self._run("initdb", "-D", self.data, "-U", "noren_owner", "--locale=C.UTF-8", "--encoding=UTF8",
                  "--auth=trust", "--no-instructions", "--no-sync")
        self.start()

    def _run(self, program: str, *args) -> None:
        # a file for the output: the server inherits it, and a pipe would never close
        with open(self.root / "log", "ab") as log:
            os.chmod(self.root / "log", 0o666)
            subprocess.run([programs() / program, *args], check=True, stdout=log, stderr=log, user=self.user,
                           group=pwd.getpwnam(self.user).pw_gid if self.user else None, cwd="/",
                           env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})

    def replica(self) -> "Cluster":
        """Another server that follows this one."""
        return Cluster(of=self)

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        self._run("pg_ctl", "start", "-D", self.data, "-w", "-s", "-l", self.data / "server.log", "-o", self.options)

    def stop(self, mode: str = "fast") -> None:
        """Stops the server; `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-D", self.data, "-w", "-s", "-m", mode)

    def url(self, database: str) -> str:
        """The owner's URL of a database."""
        return f"postgres://noren_owner@localhost/{database}?host={urllib.parse.quote(str(self.socket), safe='')}"

    def fresh(self, like: str | None = None) -> str:
        """Makes an empty database, or a copy of one that nobody is connected to, and returns its URL."""
        self.count += 1
        name = f"house_{os.getpid()}_{self.count}"
        template = urllib.parse.urlsplit(like).path.removeprefix("/") if like else "template1"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name} template {template}")
        return self.url(name)

    def remove(self) -> None:
        """Stops the server and deletes everything."""
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass  # it was stopped by the test
        shutil.rmtree(self.root, ignore_errors=True)
