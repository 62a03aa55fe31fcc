"""A language model of two layers with weights drawn by lot, in the format that llama.cpp reads (GGUF, version 3:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). What it says means nothing; an engine loads, tokenises, streams and
counts it like any other."""

import pathlib
import random
import struct

WORDS = "今夜 は 静か です ね いらっしゃい rain window lantern quiet the a of warm glass".split()
WIDTH, INNER, LAYERS, HEADS, LONGEST = 32, 64, 2, 4, 2048
UNKNOWN, NORMAL, CONTROL, BYTE = 2, 1, 3, 6
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def text(value: str) -> bytes:
    said = value.encode()
    return struct.pack("<Q", len(said)) + said


def many(kind: int, values: list) -> tuple[int, bytes]:
    packed = b"".join(text(value) if kind == STRING else struct.pack("<f" if kind == F32 else "<i", value) for value in values)
    return ARRAY, struct.pack("<IQ", kind, len(values)) + packed


def number(value: int) -> tuple[int, bytes]:
    return U32, struct.pack("<I", value)


def write(path: pathlib.Path) -> None:
    lot = random.Random(7)
    spoken = ["▁" + word if word.isascii() else word for word in WORDS]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *spoken]
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(spoken)
    facts = {
        "general.architecture": (STRING, text("llama")),
        "general.name": (STRING, text("tiny")),
        "llama.context_length": number(LONGEST),
        "llama.embedding_length": number(WIDTH),
        "llama.block_count": number(LAYERS),
        "llama.feed_forward_length": number(INNER),
        "llama.attention.head_count": number(HEADS),
        "llama.attention.head_count_kv": number(HEADS),
        "llama.attention.layer_norm_rms_epsilon": (F32, struct.pack("<f", 1e-5)),
        "llama.rope.dimension_count": number(WIDTH // HEADS),
        "llama.vocab_size": number(len(tokens)),
        "tokenizer.ggml.model": (STRING, text("llama")),
        "tokenizer.ggml.tokens": many(STRING, tokens),
        "tokenizer.ggml.scores": many(F32, [0.0] * len(tokens)),
        "tokenizer.ggml.token_type": many(I32, kinds),
        "tokenizer.ggml.bos_token_id": number(1),
        "tokenizer.ggml.eos_token_id": number(2),
        "tokenizer.ggml.unknown_token_id": number(0),
        "tokenizer.chat_template": (STRING, text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:")),
    }

    def drawn(rows: int, columns: int) -> list[float]:
        return [lot.gauss(0, 0.5) for _ in range(rows * columns)]

    ones, size = [1.0] * WIDTH, len(tokens)
    # only words have weights at the end, so that it speaks in words
    mute = [0.0] * WIDTH * (size - len(spoken))
    tensors = {
        "token_embd.weight": ((WIDTH, size), drawn(size, WIDTH)),
        "output_norm.weight": ((WIDTH,), ones),
        "output.weight": ((WIDTH, size), mute + drawn(len(spoken), WIDTH)),
    }
    for layer in range(LAYERS):
        tensors |= {f"blk.{layer}.{name}_norm.weight": ((WIDTH,), ones) for name in ("attn", "ffn")}
        tensors |= {f"blk.{layer}.attn_{name}.weight": ((WIDTH, WIDTH), drawn(WIDTH, WIDTH)) for name in ("q", "k", "v", "output")}
        tensors |= {f"blk.{layer}.ffn_{name}.weight": ((WIDTH, INNER), drawn(INNER, WIDTH)) for name in ("gate", "up")}
        tensors[f"blk.{layer}.ffn_down.weight"] = ((INNER, WIDTH), drawn(WIDTH, INNER))

    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(facts))
    head += b"".join(text(key) + struct.pack("<I", kind) + value for key, (kind, value) in facts.items())
    data = b""
    for name, (shape, values) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += struct.pack(f"<{len(values)}f", *values)
        data += bytes(-len(data) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + data)
