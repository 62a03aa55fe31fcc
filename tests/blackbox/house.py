"""The running binary: started with what a test needs, read by its ready line, stopped or killed."""

import base64
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
READY_WITHIN = 60
# shared by all processes, as an operator of several nodes would; empty: the file in the data directory
SEAL_KEY = base64.b64encode(os.urandom(32)).decode()


def binary() -> pathlib.Path:
    """The binary under test: NOREN_BINARY, or the development build."""
    return pathlib.Path(os.environ.get("NOREN_BINARY", REPOSITORY / "target/debug/noren"))


def clean_env(**more: str) -> dict[str, str]:
    """Our environment without anything that would configure the house."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NOREN", "DATABASE_", "RUST_LOG", "PG"))}
    return env | {"NOREN__SEAL__KEYS": SEAL_KEY} | more


def run(*args, timeout: float = 30, **env: str) -> subprocess.CompletedProcess:
    """Runs a subcommand to its end."""
    return subprocess.run([binary(), *map(str, args)], capture_output=True, text=True, timeout=timeout,
                          env=clean_env(**env), stdin=subprocess.DEVNULL)


class House:
    """One process of `noren run`."""

    def __init__(self, database: str | None = None, data: pathlib.Path | None = None, demo: bool = True,
                 user: str | None = None, executable: pathlib.Path | None = None, wait: bool = True,
                 account: str = "127.0.0.1:0", inference: str = "127.0.0.1:0", **env: str):
        self.made = data is None
        self.data = data or data_folder()
        args = ["run", "--data", self.data, "--account", account, "--inference", inference,
                "--demo" if demo else "--no-demo"]
        if database:
            env["DATABASE_URL"] = database
        self.log_path = pathlib.Path(tempfile.mkstemp(prefix="noren-log-")[1])
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([executable or binary(), *map(str, args)], stdout=subprocess.PIPE,
                                            stderr=log, stdin=subprocess.DEVNULL, env=clean_env(**env), user=user,
                                            start_new_session=True, text=True)
        self.database = database or ""
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ready: dict = {}
        if wait:
            self.wait_ready()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def wait_ready(self, within: float = READY_WITHIN) -> None:
        """Waits for the one JSON line."""
        deadline = time.monotonic() + within
        while not self.ready:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not ready after {within} s:\n{self.log()}") from None
            if line is None:
                raise AssertionError(f"the process ended with {self.process.wait()}:\n{self.log()}")
            if line.lstrip().startswith("{"):
                said = json.loads(line)
                if said.get("ready"):
                    self.ready = said
        self.learn()

    def learn(self) -> None:
        """Where it is, from its ready line."""
        self.account: str = self.ready["account"].rstrip("/")
        self.inference: str = self.ready["inference"].rstrip("/")
        # what it calls itself when nothing else is configured
        self.public = self.account.replace("//127.0.0.1:", "//localhost:")
        self.database = self.database or self.ready.get("database", "")

    def log(self) -> str:
        """What the process wrote to standard error so far."""
        return self.log_path.read_text(errors="replace")

    def terminate(self) -> None:
        """Asks for a stop with drain; does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Stops, checks that nothing panicked, cleans up; returns the exit code."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError(f"SIGTERM was not obeyed within 60 s:\n{self.log()[-3000:]}") from None
        code = self.process.returncode
        log = self.log()
        if self.made:
            remove(self.data)
        self.log_path.unlink(missing_ok=True)
        assert "panicked at" not in log, log[-3000:]
        return code


class Listener(House):
    """One process of `noren serve`: one listener of a house that runs elsewhere on the same database."""

    def __init__(self, house: House, only: str, **env: str):
        self.made, self.data = False, house.data
        self.log_path = pathlib.Path(tempfile.mkstemp(prefix="noren-log-")[1])
        self.database, self.ready = house.database, {}
        env = {"DATABASE_URL": house.database, "NOREN__SERVER__ACCOUNT_URL": house.public,
               "NOREN__SERVER__INFERENCE_URL": house.inference} | env
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([binary(), "serve", "--only", only, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log,
                                            stdin=subprocess.DEVNULL, env=clean_env(**env), start_new_session=True, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_ready()

    def learn(self) -> None:
        """Its one address."""
        self.url: str = self.ready["listen"].rstrip("/")


def data_folder() -> pathlib.Path:
    """A folder that the database's own user can walk to."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="noren-data-"))
    path.chmod(0o755)
    return path


def remove(data: pathlib.Path) -> None:
    """Stops the cluster that a killed process left behind, and deletes the folder."""
    pid = data / "pg/postmaster.pid"
    if pid.exists():
        server = int(pid.read_text().split()[0])
        try:
            os.kill(server, signal.SIGINT)
            deadline = time.monotonic() + 20
            while pid.exists() and time.monotonic() < deadline:
                time.sleep(0.05)  # the server tells nobody but this file that it is gone
        except ProcessLookupError:
            pass
    shutil.rmtree(data, ignore_errors=True)


def metrics(url: str) -> dict[str, float]:
    """The samples of /metrics, summed over their labels."""
    import httpx

    found: dict[str, float] = {}
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        sample = re.match(r"(\w+)(?:\{.*\})? ([-+\w.]+)$", line)
        if sample:
            found[sample[1]] = found.get(sample[1], 0.0) + float(sample[2])
    return found
