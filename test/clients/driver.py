"""The Python client, driven by a test: `protocol.ts` says how."""
import asyncio
import base64
import collections
import hashlib
import json
import os
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', '..', 'examples'))

from streamgate import GatewayError, Streamgate  # noqa: E402

#: Longer payloads are told by their hash.
TOLD_BYTES = 65536


def tell(**event):
    sys.stdout.write(json.dumps(event) + '\n')
    sys.stdout.flush()


def told_error(error):
    code = getattr(error, 'code', type(error).__name__)
    return {'code': code, 'message': str(error), 'closeCode': getattr(error, 'close_code', None)}


def told_entry(entry):
    data = entry.data
    if len(data) <= TOLD_BYTES:
        content = {'data': base64.b64encode(data).decode()}
    else:
        content = {'sha256': hashlib.sha256(data).hexdigest()}
    return {'stream': entry.stream, 'id': entry.id, 'time': entry.time, 'size': len(data), **content}


def make_payload(plan):
    if 'text' in plan:
        return plan['text']
    if 'base64' in plan:
        return base64.b64decode(plan['base64'])
    return stamped_frame(plan['writer'], plan['seq'], plan['bytes'])


def stamped_frame(writer, seq, size):
    label = b'%s#%d' % (writer.encode(), seq)
    body_size = max(0, size - len(label) - len(b' %d 01234567\n' % size))
    body = (b'%d|' % seq * (body_size // 2 + 1))[:body_size]
    return label + b' %d %08x\n' % (len(body), zlib.crc32(body, zlib.crc32(label))) + body


class Pull:
    """Consumes a pull, as far as it has credit."""

    def __init__(self, name, entries, credit):
        self.credit = asyncio.Semaphore(credit) if credit is not None else None
        self.is_leaving = False
        self.task = asyncio.create_task(self.run(name, entries))

    async def run(self, name, entries):
        ended = None
        try:
            async for entry in entries:
                tell(pull=name, entry=told_entry(entry))
                if self.credit is not None:
                    await self.credit.acquire()
                if self.is_leaving:
                    break
        except asyncio.CancelledError:
            ended = {'code': 'cancelled', 'message': ''}
        except GatewayError as error:
            ended = told_error(error)
        tell(pull=name, ended=ended)

    async def leave(self):
        self.is_leaving = True
        self.credit.release()
        await self.task


class Load:
    """Gives a producer one stamped frame after the other, some under way at once."""

    def __init__(self, producer, writer, size, window):
        self.producer, self.writer, self.size, self.window = producer, writer, size, window
        self.sent = []
        self.most_unsettled = self.unsettled = 0
        self.is_over = False
        self.task = asyncio.create_task(self.run())

    async def run(self):
        room = asyncio.Semaphore(self.window)

        def settle(_):
            self.unsettled -= 1
            room.release()

        while not self.is_over:
            await room.acquire()
            future = await self.producer.put(stamped_frame(self.writer, len(self.sent), self.size))
            self.unsettled += 1
            self.most_unsettled = max(self.most_unsettled, self.unsettled)
            future.add_done_callback(settle)
            self.sent.append(future)
            await asyncio.sleep(0)

    async def end(self):
        self.is_over = True
        await self.task
        outcomes = await asyncio.gather(*self.sent, return_exceptions=True)
        return {'outcomes': [told(outcome) for outcome in outcomes], 'mostUnsettled': self.most_unsettled}


def told(outcome):
    return told_error(outcome) if isinstance(outcome, BaseException) else outcome


class Client:
    """What one client is told to do."""

    def __init__(self):
        self.pulls, self.producers, self.loads = {}, {}, {}

    async def open(self, url, token=None, device=None, prefix=None):
        self.gate = Streamgate(url, token=token, device=device, prefix=prefix)

    async def drop(self):
        tasks = [party.task for party in (*self.pulls.values(), *self.loads.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(producer.abort() for producer in self.producers.values()), return_exceptions=True)

    async def append(self, stream, data):
        return await self.gate.append(stream, make_payload(data))

    async def latest(self, stream):
        entry = await self.gate.latest(stream)
        return entry and told_entry(entry)

    async def read(self, streams, lastEntryId, count, block):
        entries, cursor = await self.gate.read(streams, last_entry_id=lastEntryId, count=count, block=block)
        return {'entries': [told_entry(entry) for entry in entries], 'cursor': cursor}

    async def graphql(self, query, variables):
        return await self.gate.graphql(query, variables)

    async def streams(self):
        return await self.gate.streams()

    async def devices(self):
        return await self.gate.devices()

    async def connectDevice(self, device, meta):
        await self.gate.connect_device(device, meta)

    async def disconnectDevice(self, device):
        await self.gate.disconnect_device(device)

    async def streamMeta(self, stream):
        return await self.gate.stream_meta(stream)

    async def updateStreamMeta(self, stream, meta, merge):
        await self.gate.update_stream_meta(stream, meta, merge=merge)

    async def deleteStream(self, stream):
        return await self.gate.delete_stream(stream)

    async def pull(self, name, streams, credit=None, lastEntryId=None, maxFps=0, **options):
        if 'from' in options:
            options['from_'] = options.pop('from')
        if options.pop('gaps', False):
            options['on_gap'] = lambda gap: tell(pull=name, gap=gap)
        entries = self.gate.pull(streams, last_entry_id=lastEntryId, max_fps=maxFps, **options)
        self.pulls[name] = Pull(name, entries, credit)

    async def credit(self, name, entries):
        for _ in range(entries):
            self.pulls[name].credit.release()

    async def leave(self, name):
        await self.pulls[name].leave()

    async def cancel(self, name):
        self.pulls[name].task.cancel()
        await self.pulls[name].task

    async def push(self, name, stream, resend=False, maxInFlightBytes=8 << 20):
        self.producers[name] = self.gate.push(stream, resend=resend, max_in_flight_bytes=maxInFlightBytes)

    async def send(self, name, entries):
        sent = (
            self.producers[name].send(make_payload(entry['data']), stream=entry.get('stream'), time=entry.get('time'))
            for entry in entries
        )
        return [told(outcome) for outcome in await asyncio.gather(*sent, return_exceptions=True)]

    async def load(self, name, writer, bytes, window):
        self.loads[name] = Load(self.producers[name], writer, bytes, window)

    async def unload(self, name):
        return await self.loads[name].end()

    async def flush(self, name):
        await self.producers[name].flush()

    async def close(self, name):
        await self.producers[name].close()

    async def abort(self, name):
        await self.producers[name].abort()


async def answer(client, call, do, **parameters):
    try:
        tell(call=call, value=await getattr(client, do)(**parameters))
    except Exception as error:
        tell(call=call, error=told_error(error))


async def main():
    clients = collections.defaultdict(Client)
    tasks = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        task = asyncio.create_task(answer(clients[request.pop('client')], **request))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)


asyncio.run(main())
