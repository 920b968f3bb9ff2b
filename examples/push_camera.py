"""
Pushes pictures as a camera would, some a second: PNGs of a bar that wanders.

    python3 push_camera.py cam
"""
import argparse
import asyncio
import os
import struct
import zlib

from streamgate import Streamgate

WIDTH, HEIGHT = 320, 240


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def picture(number: int) -> bytes:
    """A grayscale PNG. With a camera this is `cv2.imencode('.jpg', camera.read()[1])[1].tobytes()`."""
    at = number * 4 % WIDTH
    row = bytes(255 if (x - at) % WIDTH < 20 else x * 128 // WIDTH for x in range(WIDTH))
    header = struct.pack('>IIBBBBB', WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b'\0' + row) * HEIGHT, 1)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', pixels) + chunk(b'IEND', b'')


async def main() -> None:
    parser = argparse.ArgumentParser(description='Pushes pictures of a bar that wanders.')
    parser.add_argument('stream')
    parser.add_argument('--url', default='http://localhost:8000')
    parser.add_argument('--fps', type=float, default=20)
    parser.add_argument('--frames', type=int, default=0, help='ends after so many; 0: goes on')
    args = parser.parse_args()
    gate = Streamgate(args.url, token=os.environ.get('STREAMGATE_TOKEN'))
    async with gate.push(args.stream) as producer:
        number = 0
        while number < args.frames or args.frames == 0:
            await producer.send(picture(number))
            await asyncio.sleep(1 / args.fps)
            number += 1


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
