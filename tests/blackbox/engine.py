"""llama.cpp's own server with a tiny model: a real engine behind an OpenAI-compatible door. Run by itself it serves the model file
that is named until it is killed."""

import pathlib
import subprocess
import sys

import tiny_model

MODEL = "tiny-llama"
KEY = "sk-engine"


class Engine:
    """An engine in a process of its own, as it stands beside a house."""

    def __init__(self, folder: pathlib.Path) -> None:
        model = folder / "tiny.gguf"
        tiny_model.write(model)
        self.log = folder / "engine.log"
        self.child = subprocess.Popen([sys.executable, __file__, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.log.open("w"), text=True)
        said = next((line for line in self.child.stdout if line.startswith("http://")), None)
        assert said, self.log.read_text()[-3000:]
        self.url = said.strip() + "/v1"

    def env(self) -> dict[str, str]:
        """A provider named engine."""
        prefix = "NOREN__GATEWAY__PROVIDERS__ENGINE__"
        return {f"{prefix}BASE_URL": self.url, f"{prefix}API_KEYS": KEY}

    def stop(self) -> None:
        self.child.kill()
        self.child.wait()


def serve(model: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = [MODEL]
    params.api_keys = [KEY]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx = 2, 4096
    params.cpuparams.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()  # until whoever started it is gone


if __name__ == "__main__":
    serve(sys.argv[1])
