"""
Runs an example of the seed to the letter, and provides what it leaves to its reader.

    run_example.py examples/push.py http://127.0.0.1:port sid query

The examples speak to `ws://localhost:8000`; here that is the gateway under test, and requests add `query`.
What happens is told as JSON, a line each. Each line that is read lets the example take one step: make data,
handle data or send a request. Where there are no more lines, the example ends.
"""
import asyncio
import base64
import json
import struct
import sys
import time

import requests
import websockets

SEED_ADDRESS = 'ws://localhost:8000'
TIMESTAMP = struct.Struct('>d')

example, gateway, stream, query = sys.argv[1:]


class Ended(Exception):
    """There are no more steps to take."""


def take_step():
    line = sys.stdin.readline()
    if not line:
        raise Ended
    return json.loads(line)


def tell(**event):
    print(json.dumps(event, default=lambda data: base64.b64encode(data).decode()), flush=True)


def gateway_address(address):
    assert address.startswith(SEED_ADDRESS), address
    with_query = address + ('&' if '?' in address else '?') + query if query else address
    return gateway + with_query[len(SEED_ADDRESS):]


def tell_frame(frame):
    tell(text=frame) if isinstance(frame, str) else tell(binary=len(frame))
    return frame


# websockets 14 replaced the client behind websockets.connect.
if websockets.connect.__module__.startswith('websockets.asyncio'):
    from websockets.asyncio.client import ClientConnection

    class ToldConnection(ClientConnection):
        async def handshake(self, *args, **options):
            await super().handshake(*args, **options)
            tell(open=True)

        async def recv(self, *args, **options):
            return tell_frame(await super().recv(*args, **options))

    TOLD = {'create_connection': ToldConnection}
else:

    class ToldProtocol(websockets.WebSocketClientProtocol):
        def connection_open(self):
            super().connection_open()
            tell(open=True)

        async def recv(self):
            return tell_frame(await super().recv())

    TOLD = {'create_protocol': ToldProtocol}


def told(connect):
    def connect_gateway(address, **options):
        address = gateway_address(address).replace('http', 'ws', 1)
        return connect(address, **TOLD, **options)

    return connect_gateway


def stepwise(send):
    def send_to_gateway(address, **options):
        take_step()
        r = send(gateway_address(address), **options)
        tell(status=r.status_code, headers=dict(r.headers), content=r.content)
        return r

    return send_to_gateway


websockets.connect = told(websockets.connect)
requests.get = stepwise(requests.get)
requests.post = stepwise(requests.post)


def generate_some_data():
    return take_step()


def serialize_bytes(data):
    timestamp, text = data
    return TIMESTAMP.pack(timestamp) + text.encode()


def my_parse_header_and_payload(data):
    return TIMESTAMP.unpack_from(data)[0], data[TIMESTAMP.size:]


def do_something_with_data(*data):
    tell(data=data)
    take_step()


names = {
    'time': time,
    'data': b'what is to be posted \x00\xff',
    'generate_some_data': generate_some_data,
    'serialize_bytes': serialize_bytes,
    'my_parse_header_and_payload': my_parse_header_and_payload,
    'do_something_with_data': do_something_with_data,
}
try:
    with open(example) as file:
        exec(compile(file.read(), example, 'exec'), names)
    run = names.get('send_data') or names.get('receive_data')
    if run:
        asyncio.run(run(stream))
except Ended:
    pass
