"""
A client of streamgate in one file, to be copied into your project. It needs Python 3.9 and `websockets` 10 or later
(Debian: python3-websockets), and nothing else.

    gate = Streamgate('http://localhost:8000')

    async with gate.push('cam') as producer:
        entry_id = await producer.send(frame)        # returns once it is stored

    async for entry in gate.pull('cam', latest=True):
        show(entry.data)

Pulls and producers reconnect by themselves. A pull goes on after the last entry it handed out: no gap, no double.
What cannot pass by itself is raised as a GatewayError, whose `code` is one of those in the README.

On the command line: `sensor | python3 streamgate.py push temp`, `python3 streamgate.py pull temp`.
"""
from __future__ import annotations

import asyncio
import collections
import http.client
import json
import logging
import random
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any, AsyncIterator, Callable, Mapping, Optional, Sequence, Union
from urllib.parse import quote, urlencode, urlsplit

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

__all__ = ['Batch', 'Entry', 'GatewayError', 'Producer', 'Streamgate']

#: Milliseconds since 1970, or a datetime (one without a timezone is local time).
Moment = Union[int, datetime]
#: An entry's bytes; a str is stored as UTF-8.
Data = Union[bytes, bytearray, memoryview, str]

OPEN_SECONDS = 10
CLOSE_SECONDS = 1
#: A pull hears something every 5 s, if only that there is nothing. More than that, since a large frame takes its time.
SILENT_SECONDS = 60
#: The first wait before a connection is tried again; it doubles up to the longest. Both are shortened at random,
#: so that not all clients of a gateway come back at once.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 10.0
#: Entries of a stream that a pull asks for in one message; the gateway sends fewer where they are large.
PULL_COUNT = 100
#: What is sent while a producer waits for an ack goes out together, up to this much in one message.
BATCH_ENTRIES, BATCH_BYTES = 1000, 1 << 20
#: What an entry counts besides its bytes, so that empty ones are bounded too.
ENTRY_COST = 256

#: These pass by themselves, so that it helps to come back.
PASSING = frozenset(
    'unreachable closed shutting_down overloaded redis_unavailable redis_loading redis_read_only redis_out_of_memory '
    'keys_unavailable too_many_connections pongs_unread acks_unread'.split()
)
#: What the gateway means by closing a WebSocket; by any other code that the connection is at fault.
CLOSE_CODES = {
    1001: 'shutting_down', 1009: 'payload_too_large', 1011: 'internal', 4400: 'bad_parameter', 4401: 'invalid_token',
    4403: 'forbidden', 4409: 'wrong_type', 4504: 'unknown_outcome',
}

log = logging.getLogger('streamgate')


class GatewayError(Exception):
    """
    The gateway refused (`code` is one of its own), or could not be asked: `unreachable`, `closed`, `bad_answer`.

    `status` is the HTTP status where there was one, `retry_after` the seconds that the gateway asks to wait.
    """

    def __init__(self, code: str, message: str, status: Optional[int] = None, retry_after: float = 0) -> None:
        super().__init__(f'{message} ({code})')
        self.code = code
        self.status = status
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        """Whether the same may succeed later, with nothing changed."""
        return self.code in PASSING


@dataclass(frozen=True)
class Entry:
    """One entry of a stream. `id` is Redis' own, `ms-seq`."""

    stream: str
    id: str
    data: bytes

    @property
    def time(self) -> int:
        """Milliseconds since 1970."""
        return int(self.id.partition('-')[0])


@dataclass(frozen=True)
class Batch:
    """What one read found, and the `last_entry_id` for the next one."""

    entries: Sequence[Entry]
    cursor: str


class Streamgate:
    """
    A gateway, as seen by one of its clients. Holds no connection: each pull and each producer has its own.

    `token` is sent where it is set; `device` and `prefix` are those of the streams that are named.
    """

    def __init__(
        self,
        url: str = 'http://localhost:8000',
        *,
        token: Optional[str] = None,
        device: Optional[str] = None,
        prefix: Optional[str] = None,
    ) -> None:
        self.url = url.rstrip('/')
        self.token = token
        self.device = device
        self.prefix = prefix
        if urlsplit(url).scheme not in ('http', 'https'):
            raise ValueError(f"the gateway's address must begin with http:// or https://: {url!r}")

    # ---- entries ----

    async def pull(
        self,
        streams: Union[str, Sequence[str]],
        *,
        last_entry_id: Optional[str] = None,
        from_: Optional[Moment] = None,
        until: Optional[Moment] = None,
        latest: bool = False,
        count: Optional[int] = None,
        max_fps: float = 0,
        ack: bool = False,
        speed: Optional[float] = None,
        gaps: bool = False,
        reconnect: bool = True,
        on_gap: Optional[Callable[[Mapping[str, Any]], object]] = None,
    ) -> AsyncIterator[Entry]:
        """
        Follows streams, from now on: all entries, in order, each once.

        :param last_entry_id: entries after this one; `'0'`: all there are. For several streams one, or one each, by `+`
        :param from_: entries from this moment on; :param until: the pull ends after the entries of that one
        :param latest: always the newest entry; those that came meanwhile are skipped
        :param count: at most this many entries a message; :param max_fps: at most this many messages a second
        :param ack: the next message is sent once this one's entries are done with
        :param speed: replays at the pace of the entries' times, times this
        :param gaps: asks to be told where entries were lost; `on_gap` is given `stream`, `after`, `resumed_at`, `reason`
        :param reconnect: False: raise what ended the connection, whatever it was
        :raises GatewayError: what cannot pass by itself
        """
        sids = [streams] if isinstance(streams, str) else list(streams)
        given = (last_entry_id or '$').split('+')
        if len(given) not in (1, len(sids)):
            raise ValueError('last_entry_id is one id for all streams, or one for each')
        cursors = dict(zip(sids, given * len(sids) if len(given) == 1 else given))
        options = {
            'until': _ms(until), 'latest': latest, 'count': count or (1 if latest else PULL_COUNT), 'max_fps': max_fps,
            'ack': ack, 'speed': speed, 'gaps': gaps or on_gap is not None,
        }
        silent_seconds = SILENT_SECONDS + (2 / max_fps if max_fps > 0 else 0)
        failures = 0
        has_begun = False
        while True:
            try:
                if from_ is not None and not has_begun:
                    where = {'from': _ms(from_), 'last_entry_id': last_entry_id}
                else:
                    await self._resolve_newest(cursors)
                    where = {'last_entry_id': '+'.join(cursors.values())}
                # Without pings: a consumer that takes its time over an entry would seem to be gone.
                ws = await self._open(f'data/{_path(sids)}/pull', {**options, **where}, ping_interval=None)
                try:
                    while True:
                        header, payload = await asyncio.wait_for(_receive(ws), silent_seconds)
                        failures = 0
                        if isinstance(header, dict):
                            if on_gap is not None:
                                on_gap(header['gap'])
                            continue
                        for entry in _split(header, payload):
                            if not has_begun:
                                has_begun = True
                                # Streams of which nothing came yet go on from where the pull began.
                                if from_ is not None:
                                    cursors = dict.fromkeys(sids, _id_before(from_))
                            cursors[entry.stream] = entry.id
                            yield entry
                        if ack:
                            await ws.send('ack')
                finally:
                    await ws.close()
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == 1000:
                    return  # the end of a replay
                error = _error_from_close(closed)
            except asyncio.TimeoutError:
                error = GatewayError('closed', f'the gateway has been silent for {silent_seconds:.0f} s')
            except GatewayError as refusal:
                error = refusal
            if not (reconnect and error.may_pass):
                raise error
            await _wait_before_retry(f'pull of {"+".join(sids)}', error, failures)
            failures += 1

    def push(self, stream: str, *, resend: bool = False, max_in_flight_bytes: int = 8 << 20) -> Producer:
        """
        A producer for a stream; for `'*'` each entry names its own. To be used as `async with gate.push('cam') as …`.

        :param resend: an entry whose ack was lost with the connection is sent again, and may then be stored twice;
            otherwise its `send` raises `unknown_outcome`
        """
        return Producer(self, stream, resend, max_in_flight_bytes)

    async def append(self, stream: str, data: Data) -> str:
        """Stores one entry, by HTTP. :returns: its id"""
        headers = {'Content-Type': 'application/octet-stream'}
        _, body = await self._request('POST', f'data/{_path([stream])}', self._names(), _to_bytes(data), headers)
        return str(json.loads(body)[0])

    async def latest(self, stream: str) -> Optional[Entry]:
        """The newest entry, however old; None where there is none."""
        batch = await self._read([stream], {'last_entry_id': '0', 'latest': True, 'block': -1})
        return batch.entries[-1] if batch.entries else None

    async def read(
        self, streams: Union[str, Sequence[str]], *, last_entry_id: str = '0', count: int = PULL_COUNT, block: int = -1
    ) -> Batch:
        """
        One read by HTTP. Read again from its `cursor`: nothing is missed or seen twice.

        :param block: milliseconds to wait for an entry; -1: do not wait
        """
        sids = [streams] if isinstance(streams, str) else list(streams)
        return await self._read(sids, {'last_entry_id': last_entry_id, 'count': count, 'block': block})

    # ---- what there is ----

    async def graphql(self, query: str, variables: Optional[Mapping[str, Any]] = None) -> Any:
        """:returns: the answer's data :raises GatewayError: its first error"""
        body = json.dumps({'query': query, 'variables': variables or {}}).encode()
        _, answer = await self._request('POST', 'graphql', {}, body, {'Content-Type': 'application/json'})
        result = json.loads(answer)
        if result.get('errors'):
            error = result['errors'][0]
            raise GatewayError(error.get('extensions', {}).get('code', 'bad_answer'), error['message'])
        return result['data']

    async def streams(self) -> list[dict[str, Any]]:
        """All streams by their whole keys: `id`, `length`, `lastEntryId`, `meta`."""
        return list((await self.graphql('{ streams { id length lastEntryId meta } }'))['streams'])

    async def devices(self, *, include_all: bool = False) -> list[dict[str, Any]]:
        """Devices that are connected, or were ever seen: `id`, `meta`."""
        query = 'query ($all: Boolean) { devices(includeAll: $all) { id meta } }'
        return list((await self.graphql(query, {'all': include_all}))['devices'])

    async def connect_device(self, device: str, meta: Optional[Mapping[str, Any]] = None) -> None:
        """Says that a device is there, and what it is."""
        query = 'mutation ($id: String!, $meta: JSON) { connectDevice(deviceId: $id, meta: $meta) }'
        await self.graphql(query, {'id': device} if meta is None else {'id': device, 'meta': meta})

    async def disconnect_device(self, device: str) -> None:
        """Says that a device is gone."""
        await self.graphql('mutation ($id: String!) { disconnectDevice(deviceId: $id) }', {'id': device})

    async def stream_meta(self, key: str) -> dict[str, Any]:
        """A stream's metadata. :param key: the whole key, or the id of a stream of the default device"""
        return dict((await self.graphql('query ($id: String!) { stream(id: $id) { meta } }', {'id': key}))['stream']['meta'])

    async def update_stream_meta(self, key: str, meta: Mapping[str, Any], *, merge: bool = False) -> None:
        """Replaces a stream's metadata. :param merge: keep what is there and not given anew"""
        query = 'mutation ($id: String!, $meta: JSON!, $merge: Boolean!) { updateStreamMeta(streamId: $id, meta: $meta, update: $merge) }'
        await self.graphql(query, {'id': key, 'meta': meta, 'merge': merge})

    # ---- how it is asked ----

    def _names(self) -> dict[str, object]:
        return {'device_id': self.device, 'prefix': self.prefix}

    async def _read(self, sids: Sequence[str], options: Mapping[str, object]) -> Batch:
        headers, body = await self._request('GET', f'data/{_path(sids)}', {**self._names(), **options})
        return Batch(_split(json.loads(headers['x-offsets']), body), headers['x-last-entry-id'])

    async def _resolve_newest(self, cursors: dict[str, str]) -> None:
        """Makes each `$` the id that it stands for now, so that a reconnection before the first entry loses nothing."""
        sids = [sid for sid, cursor in cursors.items() if cursor == '$']
        if sids:
            batch = await self._read(sids, {'last_entry_id': '$', 'block': -1})
            cursors.update(zip(sids, batch.cursor.split('+')))

    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, object],
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> tuple[http.client.HTTPMessage, bytes]:
        return await asyncio.to_thread(self._ask, method, self._address(path, parameters), body, headers or {})

    def _address(self, path: str, parameters: Mapping[str, object]) -> str:
        given = {name: int(value) if isinstance(value, bool) else value for name, value in parameters.items() if value is not None}
        return f'{self.url}/{path}?{urlencode(given)}'

    def _ask(
        self, method: str, address: str, body: Optional[bytes], headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPMessage, bytes]:
        url = urlsplit(address)
        kind = http.client.HTTPSConnection if url.scheme == 'https' else http.client.HTTPConnection
        connection = kind(url.hostname or '', url.port, timeout=SILENT_SECONDS)
        try:
            authorization = {} if self.token is None else {'Authorization': f'Bearer {self.token}'}
            connection.request(method, f'{url.path}?{url.query}', body, {**headers, **authorization})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError('unreachable', f'no gateway answers at {self.url}: {error}') from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise _error_from_answer(answer.status, content, answer.headers)
        return answer.headers, content

    async def _open(self, path: str, parameters: Mapping[str, object], **options: Any) -> Any:
        """A WebSocket; its class depends on the version of `websockets`."""
        address = self._address(path, {**self._names(), **parameters})
        # A token as a subprotocol: `websockets` has had two names for the parameter with the headers.
        protocols: Any = None if self.token is None else ['streamgate', f'bearer.{self.token}']
        try:
            # Frames wait in the gateway rather than here: a consumer's memory holds a few, however slow it is.
            return await websockets.connect(
                'ws' + address[len('http'):], subprotocols=protocols, compression=None, max_size=None, max_queue=4,
                open_timeout=OPEN_SECONDS, close_timeout=CLOSE_SECONDS, **options,
            )
        except InvalidHandshake:
            # Not every version of `websockets` tells what a refusal says: ask once more.
            upgrade = {'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'A' * 22 + '=='}
            await asyncio.to_thread(self._ask, 'GET', address, None, upgrade)
            raise GatewayError('closed', 'the gateway refused a connection, and would have taken the next one') from None
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            raise GatewayError('unreachable', f'no gateway answers at {self.url}: {error or "in time"}') from error


@dataclass
class _Waiting:
    """An entry from `submit` until it is settled."""

    stream: Optional[str]
    time: Union[int, str, None]
    data: bytes
    settled: asyncio.Future[str]
    is_resent: bool = False

    @property
    def cost(self) -> int:
        return len(self.data) + ENTRY_COST


class Producer:
    """
    Writes entries over one WebSocket, in the order they are given; what is given at once goes out in one message. An
    entry that is refused fails its own `send` only.
    """

    def __init__(self, gate: Streamgate, stream: str, resend: bool, max_in_flight_bytes: int) -> None:
        self._gate = gate
        self._stream = stream
        self._resend = resend
        self._max_in_flight_bytes = max_in_flight_bytes
        self._in_flight_bytes = 0
        # Entries that are not sent yet, and messages that are, in the order of their acks.
        self._queue: collections.deque[_Waiting] = collections.deque()
        self._unacked: collections.deque[list[_Waiting]] = collections.deque()
        self._has_work = asyncio.Event()
        self._has_settled = asyncio.Event()
        self._task: Optional[asyncio.Task[None]] = None
        self._error: Optional[GatewayError] = None

    async def send(self, data: Data, *, stream: Optional[str] = None, time: Union[Moment, str, None] = None) -> str:
        """
        Stores an entry. :returns: its id, once it is stored

        :param time: the entry's own time, or its id as `ms-seq`; it must be after the stream's newest entry
        :raises GatewayError: it was not stored; or perhaps it was, where the code is `unknown_outcome`
        """
        await self.ready()
        return await self.submit(data, stream=stream, time=time)

    def submit(
        self, data: Data, *, stream: Optional[str] = None, time: Union[Moment, str, None] = None
    ) -> asyncio.Future[str]:
        """As `send`, without waiting: the future is the id. Wait for `ready` between them, or memory knows no bound."""
        if self._error is not None:
            raise self._error
        if stream is not None:
            stream.encode()  # what is no text must not come as far as the connection
        settled = asyncio.get_running_loop().create_future()
        waiting = _Waiting(stream, _ms(time) if not isinstance(time, str) else time, _to_bytes(data), settled)
        self._queue.append(waiting)
        self._in_flight_bytes += waiting.cost
        self._has_work.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return settled

    async def ready(self) -> None:
        """Waits until there is room for another entry."""
        while self._in_flight_bytes >= self._max_in_flight_bytes and self._error is None:
            await self._next_settled()

    async def flush(self) -> None:
        """Waits until all that was given is settled, stored or not."""
        while self._queue or self._unacked:
            await self._next_settled()

    async def close(self) -> None:
        """Flushes, and closes the connection."""
        await self.flush()
        await self.abort()

    async def abort(self) -> None:
        """Closes the connection at once; what is not settled fails."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(GatewayError('closed', 'the producer is closed'))

    async def __aenter__(self) -> Producer:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await (self.close() if kind is None else self.abort())

    async def _next_settled(self) -> None:
        self._has_settled.clear()
        await self._has_settled.wait()

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._has_work.wait()
            try:
                ws = await self._gate._open(f'data/{_path([self._stream])}/push', {'ack': True})
                tasks = [asyncio.create_task(self._write(ws)), asyncio.create_task(self._read_acks(ws))]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    ends = await asyncio.gather(*tasks, return_exceptions=True)
                    await ws.close()
                fault = next(end for end in ends if isinstance(end, Exception))
                error = _error_from_close(fault) if isinstance(fault, ConnectionClosed) else _bad_answer(fault)
            except GatewayError as refusal:
                error = refusal
            self._take_back(error)
            if not error.may_pass and error.code != 'payload_too_large':
                self._fail(error)
                return
            await _wait_before_retry(f'push to {self._stream}', error, failures)
            failures += 1

    async def _write(self, ws: Any) -> None:
        while True:
            await self._has_work.wait()
            batch = self._next_batch()
            if not batch:
                continue
            # Where each entry starts: ends would be ambiguous, since an empty first entry ends at 0.
            rows, start = [], 0
            for waiting in batch:
                rows.append([waiting.stream, waiting.time, start])
                start += len(waiting.data)
            try:
                await ws.send(json.dumps(rows, ensure_ascii=False, separators=(',', ':')))
            except BaseException:
                # A header alone stores nothing.
                self._queue.extendleft(reversed(batch))
                raise
            self._unacked.append(batch)
            await ws.send(b''.join(waiting.data for waiting in batch))

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < BATCH_ENTRIES and (not batch or size + self._queue[0].cost <= BATCH_BYTES):
            waiting = self._queue.popleft()
            if waiting.settled.cancelled():
                self._settle(waiting, None)
                continue
            batch.append(waiting)
            size += waiting.cost
        if not self._queue:
            self._has_work.clear()
        return batch

    async def _read_acks(self, ws: Any) -> None:
        while True:
            acks = json.loads(await ws.recv())
            for waiting, ack in zip(self._unacked.popleft(), acks):
                if isinstance(ack, str):
                    self._settle(waiting, ack)
                elif waiting.is_resent and ack['code'] == 'id_not_increasing':
                    self._settle(waiting, _unknown('it was sent twice, and may have been stored the first time'))
                else:
                    self._settle(waiting, GatewayError(ack['code'], ack['error']))

    def _settle(self, waiting: _Waiting, outcome: Union[str, GatewayError, None]) -> None:
        self._in_flight_bytes -= waiting.cost
        self._has_settled.set()
        if waiting.settled.done():
            return  # who sent it has stopped waiting
        if isinstance(outcome, str):
            waiting.settled.set_result(outcome)
        elif outcome is not None:
            waiting.settled.set_exception(outcome)

    def _take_back(self, error: GatewayError) -> None:
        """What the connection ended on without an ack."""
        messages = list(self._unacked)
        self._unacked.clear()
        if messages and error.code == 'payload_too_large':
            # Only an entry alone makes a message that large.
            too_large = max(messages, key=lambda message: message[0].cost)
            messages.remove(too_large)
            self._settle(too_large[0], error)
        unacked = [waiting for message in messages for waiting in message]
        if self._resend and (error.may_pass or error.code == 'payload_too_large'):
            for waiting in unacked:
                waiting.is_resent = True
            self._queue.extendleft(reversed(unacked))
        else:
            for waiting in unacked:
                self._settle(waiting, _unknown(f'its ack was lost with the connection: {error}'))
        if self._queue:
            self._has_work.set()

    def _fail(self, error: GatewayError) -> None:
        self._error = self._error or error
        self._take_back(error)
        while self._queue:
            self._settle(self._queue.popleft(), error)
        self._has_settled.set()


def _unknown(message: str) -> GatewayError:
    return GatewayError('unknown_outcome', message)


def _path(sids: Sequence[str]) -> str:
    return '+'.join(quote(sid, safe='*:') for sid in sids)


def _ms(moment: Optional[Moment]) -> Optional[int]:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment


def _id_before(moment: Moment) -> str:
    """The last id that an entry before `moment` can have."""
    ms = _ms(moment)
    return f'{ms - 1}-{2**64 - 1}' if ms else '0'


def _to_bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _split(header: Sequence[Any], payload: bytes) -> list[Entry]:
    """A header is `[[stream, id, start], …]`; an entry's bytes end where the next one's start."""
    ends = [row[2] for row in header[1:]] + [len(payload)]
    return [Entry(stream, id, payload[start:end]) for (stream, id, start), end in zip(header, ends)]


async def _receive(ws: Any) -> tuple[Any, bytes]:
    """The next message of a pull: a list and the payload, or an object alone that tells of a gap."""
    header = json.loads(await ws.recv())
    return header, b'' if isinstance(header, dict) else await ws.recv()


async def _wait_before_retry(what: str, error: GatewayError, failures: int) -> None:
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(failures, 10))
    seconds = max(error.retry_after, longest * random.uniform(0.5, 1))
    log.warning('%s: %s; again in %.1f s', what, error, seconds)
    await asyncio.sleep(seconds)


def _error_from_answer(status: int, content: bytes, headers: http.client.HTTPMessage) -> GatewayError:
    try:
        body = json.loads(content)
        code, message = body['code'], body['error']
    except (ValueError, TypeError, LookupError):
        code, message = 'bad_answer', f'the server answered HTTP {status}, without a reason'
    retry_after = headers.get('Retry-After', '')
    return GatewayError(code, message, status, float(retry_after) if retry_after.isdigit() else 0)


def _error_from_close(closed: ConnectionClosed) -> GatewayError:
    close = closed.rcvd
    if close is None:
        return GatewayError('closed', 'the connection broke off')
    code = CLOSE_CODES.get(close.code, 'closed')
    return GatewayError(code, close.reason or f'the gateway closed the connection with {close.code}')
