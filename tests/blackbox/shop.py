"""A house for the doors: its plans have room for many calls, and its models are those that a test names."""

import pathlib
import time

import visitor
from house import REPOSITORY, House

PLAN = """
[[plan]]
storefront = "genai"
id = "free"
default_for = "user"
title = {{ ja = "無料", en = "Free" }}
price_yen = 0
limits = {{ per_minute = {per_minute}, concurrent = {concurrent} }}
grants = [{{ unit = "genai.chat", amount = 5000, every = "day" }}, {{ unit = "genai.embedding_token", amount = {tokens}, every = "day" }}]
routes = {{ "genai.chat" = "{first}", "genai.embedding_token" = "vectors" }}
models = [{models}]
"""


def model(name: str, *targets: tuple[str, str], more: str = "") -> str:
    """A model whose targets (provider, its name) are tried in this order."""
    listed = ", ".join(f'{{ provider = "{provider}", model = "{target}", rank = {rank} }}' for rank, (provider, target) in enumerate(targets))
    return f'[[model]]\nname = "{name}"\nprices = [{{ from = "2025-01-01", input = 1000, output = 2000 }}]\ntargets = [{listed}]\n{more}\n'


def files(folder: pathlib.Path, models: dict[str, str], tokens: int = 100_000, per_minute: int = 6000, concurrent: int = 400) -> dict[str, str]:
    """The settings that name a plan file and a model file, written into a folder; every model is in the one plan."""
    others = (REPOSITORY / "plans/default.toml").read_text().partition('[[plan]]\nstorefront = "genai"')[0]
    names = ", ".join(f'"{name}"' for name in models)
    plan = PLAN.format(first=next(iter(models)), models=names, tokens=tokens, per_minute=per_minute, concurrent=concurrent)
    (folder / "plans.toml").write_text(others + plan)
    (folder / "models.toml").write_text("".join(models.values()))
    return {"NOREN__PLANS__FILE": str(folder / "plans.toml"), "NOREN__GATEWAY__MODELS_FILE": str(folder / "models.toml")}


def run_of(house: House, secret: str, id: str, wait: float = 20) -> dict:
    """A run once it has ended, by the house's own door."""
    deadline = time.monotonic() + wait
    while True:
        found = visitor.run_of(house.inference, id, {"x-api-key": secret})
        if found["ended_at"] or time.monotonic() > deadline:
            return found
        time.sleep(0.02)  # until it has ended
