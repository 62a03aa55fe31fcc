"""Clients that hang up: run as a program, so that Python's lock slows nothing down. Prints one JSON object.

Arguments: account port, requests, share of resets, then the cookies of two visitors as JSON.
"""

import asyncio
import json
import random
import re
import socket
import struct
import sys


async def ask(port: int, source: str, head: str, body: bytes, hang_up: float | None) -> bytes | None:
    """One request on a connection of its own; None when the client hung up before the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(f"{head}host: localhost:{port}\r\norigin: http://localhost:{port}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        if hang_up is not None:
            await asyncio.sleep(hang_up)  # somewhere between the request and its answer
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return None
        return await reader.read()
    except ConnectionError:
        return None
    finally:
        writer.close()


async def main() -> None:
    port, count, share, visitors = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4])
    chance = random.Random(3)
    gate = asyncio.Semaphore(24)
    found = {"answered": 0, "reset": 0, "foreign": [], "status": {}, "acknowledged": []}

    async def one(n: int) -> None:
        me, other = visitors[n % 2], visitors[1 - n % 2]
        hang_up = chance.uniform(0, 0.03) if chance.random() < share else None
        source = f"127.{100 + n % 40}.{n // 40 % 250}.9"
        kind = n // 2 % 4
        if kind == 0:  # a new guest: a write whose answer names what was written
            head, body = "POST /auth/guest HTTP/1.1\r\ncontent-type: application/json\r\n", b"{}"
        else:
            path = ("/auth/me", "/api/misaki/chats", "/billing/usage?storefront=misaki")[kind - 1]
            head, body = f"GET {path} HTTP/1.1\r\ncookie: {me['cookie']}\r\n", b""
        async with gate:
            answer = await ask(port, source, head, body, hang_up)
        if answer is None:
            found["reset"] += 1
            return
        found["answered"] += 1
        text = answer.decode(errors="replace")
        status = text[9:12]
        found["status"][status] = found["status"].get(status, 0) + 1
        if kind == 0 and status == "201":
            found["acknowledged"] += re.findall(r"tnt_[0-9a-f]{32}", text)[:1]
        elif status == "200":
            wrong = [mark for mark in other["marks"] if mark in text]
            missing = kind < 3 and not any(mark in text for mark in me["marks"])
            if wrong or missing:
                found["foreign"].append([n, text[-400:]])

    await asyncio.gather(*(one(n) for n in range(count)))
    print(json.dumps(found))


asyncio.run(main())
