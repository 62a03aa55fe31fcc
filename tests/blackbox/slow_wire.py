"""Between a house and its database: passes bytes on 2 ms late. Run as a program: socket to listen at, socket to pass on to."""

import asyncio
import contextlib
import pathlib
import sys

LATE = 0.002


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        while piece := await reader.read(65536):
            await asyncio.sleep(LATE)
            writer.write(piece)
            await writer.drain()
    writer.close()


async def main() -> None:
    here, there = sys.argv[1:]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(there)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_unix_server(connected, here)
    pathlib.Path(here).chmod(0o777)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
