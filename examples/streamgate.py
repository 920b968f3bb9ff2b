"""
A client of streamgate in one file, to be copied. It needs Python 3.9 and `websockets` 10 or later (Debian:
python3-websockets), and nothing else.

    gate = Streamgate('http://localhost:8000')

    async with gate.push('cam') as producer:
        entry_id = await producer.send(frame)        # once it is stored

    async for entry in gate.pull('cam', latest=True):
        show(entry.data)

Pulls and producers reconnect by themselves; a pull goes on after the last entry that it handed out: no gap, no
double. What cannot pass by itself is raised as a GatewayError, whose `code` is one of those in docs/errors.md.
"""
from __future__ import annotations

import asyncio
import collections
import http.client
import json
import logging
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, AsyncIterator, Callable, Mapping, Optional, Sequence, Union
from urllib.parse import quote, urlencode, urlsplit

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

__all__ = ['Entry', 'GatewayError', 'Producer', 'Streamgate']

#: Milliseconds since 1970, or a datetime (without a timezone: local time).
Moment = Union[int, datetime]
#: An entry's bytes; text is stored as UTF-8.
Data = Union[bytes, bytearray, memoryview, str]

OPEN_SECONDS = 10
CLOSE_SECONDS = 1
#: More than the gateway lets a read wait (MAX_BLOCK_MS).
ANSWER_SECONDS = 90
#: A pull hears something every 5 s, if only that there is nothing; a large frame may take its time.
SILENT_SECONDS = 60
#: The wait before a connection is tried again doubles from the one to the other.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 10
#: Entries of a stream that a pull asks for in one message; the gateway sends fewer where they are large.
PULL_COUNT = 100
PINNED_AT_ONCE = 64
#: Entries that are given at once go out in one message, up to this.
BATCH_ENTRIES, BATCH_BYTES = 500, 1 << 20
#: What an entry counts besides its bytes, so that empty ones are bounded too.
ENTRY_BYTES = 256

#: Failures that pass by themselves (docs/errors.md), and close codes (1006: the connection broke).
PASSING = frozenset(
    'unreachable shutting_down overloaded redis_unavailable redis_loading redis_read_only redis_out_of_memory '
    'keys_unavailable too_many_connections'.split()
)
PASSING_CLOSES = frozenset([1000, 1001, 1005, 1006, 1012, 1013, 4429])
#: RFC 6455 §7.4.1.
NORMAL, GOING_DOWN, BROKEN, TOO_LARGE = 1000, 1001, 1006, 1009
#: What asks for a WebSocket, by hand.
UPGRADE = {
    'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'c3RyZWFtZ2F0ZS1wcm9iZQ==',
}

log = logging.getLogger('streamgate')


class GatewayError(Exception):
    """
    The gateway refused, `code` says why; or it is `unreachable`, the connection was `closed`, or it is no gateway at
    all (`bad_answer`). `status` and `close_code` are set where HTTP or the end of a WebSocket brought it.
    """

    def __init__(
        self, code: str, message: str, *,
        status: Optional[int] = None, close_code: Optional[int] = None, retry_after: float = 0,
    ) -> None:
        super().__init__(f'{message} ({code})')
        self.code, self.status, self.close_code = code, status, close_code
        #: Seconds that the gateway asks to wait.
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        """Whether the same may succeed later, with nothing changed."""
        return self.code in PASSING or self.close_code in PASSING_CLOSES


@dataclass(frozen=True)
class Entry:
    stream: str
    id: str
    data: bytes

    @property
    def time(self) -> int:
        """Milliseconds since 1970."""
        return int(self.id.partition('-')[0])


class Streamgate:
    """A gateway, and whose streams are meant. Holds no connection: each pull and each producer has its own."""

    def __init__(
        self, url: str = 'http://localhost:8000', *,
        token: Optional[str] = None, device: Optional[str] = None, prefix: Optional[str] = None,
    ) -> None:
        if urlsplit(url).scheme not in ('http', 'https'):
            raise ValueError(f"the gateway's address must begin with http:// or https://: {url!r}")
        self.url, self.token, self.device, self.prefix = url.rstrip('/'), token, device, prefix

    async def pull(
        self, streams: Union[str, Sequence[str]], *,
        last_entry_id: Optional[str] = None, from_: Optional[Moment] = None, until: Optional[Moment] = None,
        latest: bool = False, count: Optional[int] = None, max_fps: float = 0, ack: Optional[bool] = None,
        speed: Optional[float] = None, reconnect: bool = True,
        on_gap: Optional[Callable[[Mapping[str, Any]], object]] = None,
    ) -> AsyncIterator[Entry]:
        """
        Follows streams: every entry from now on, in order, each once. Leaving the loop closes the connection.

        :param last_entry_id: after this one instead; `'0'`: all there are. Several streams: one, or one each, by `+`
        :param from_: instead of that, entries from this moment on
        :param until: the pull ends after the entries of this moment
        :param latest: always the newest entry; what came while you were busy is skipped
        :param count: at most this many entries a message
        :param max_fps: at most this many messages a second
        :param ack: each message is sent when the entries before it are done with; with `latest` by default
        :param speed: replay: 1 at the pace at which the entries were written, 4 four times as fast
        :param reconnect: False: raise whatever ends the connection
        :param on_gap: told where entries were lost: `stream`, `after`, `resumed_at`, `reason`
        :raises GatewayError: what cannot pass by itself
        """
        sids = [streams] if isinstance(streams, str) else list(streams)
        cursors = dict(zip(sids, _spread(last_entry_id or '$', len(sids))))
        ack = latest if ack is None else ack
        options = {
            'until': _ms(until), 'latest': latest, 'count': count or (1 if latest else PULL_COUNT),
            'max_fps': max_fps, 'ack': ack, 'speed': speed, 'gaps': on_gap is not None,
        }
        silent_seconds = SILENT_SECONDS + (2 / max_fps if max_fps > 0 else 0)
        has_begun, failures = False, 0
        while True:
            try:
                if from_ is not None and not has_begun:
                    where = {'from': _ms(from_), 'last_entry_id': last_entry_id}
                else:
                    await self._resolve_newest(cursors)
                    where = {'last_entry_id': '+'.join(cursors.values())}
                # No pings: who takes long over an entry does not see the answers.
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
                            if from_ is not None and not has_begun:
                                # Streams of which nothing came yet will go on from there, too.
                                cursors = dict.fromkeys(sids, _id_before(from_))
                            has_begun = True
                            cursors[entry.stream] = entry.id
                            yield entry
                        if ack:
                            await ws.send('ack')
                finally:
                    await ws.close()
            except ConnectionClosed as closed:
                error = _error_from_close(closed)
                if until is not None and error.close_code == NORMAL:
                    return
            except asyncio.TimeoutError:
                error = GatewayError('closed', f'nothing came for {silent_seconds:.0f} s', close_code=BROKEN)
            except GatewayError as refusal:
                error = refusal
            if not (reconnect and error.may_pass):
                raise error
            await _wait_before_retry(f'pull of {"+".join(sids)}', error, failures)
            failures += 1

    def push(self, stream: str, *, resend: bool = False, max_in_flight_bytes: int = 8 << 20) -> Producer:
        """
        A producer for a stream; with `'*'` each entry names its own. To be used with `async with`.

        :param resend: what was not acknowledged when the connection was lost is sent again, and may then be stored
            twice; otherwise its `send` raises `unknown_outcome`
        """
        return Producer(self, stream, resend, max_in_flight_bytes)

    async def append(self, stream: str, data: Data) -> str:
        """Stores one entry, by HTTP. :returns: its id"""
        headers = {'Content-Type': 'application/octet-stream'}
        _, ids = await self._ask('POST', f'data/{_path([stream])}', self._names(), _to_bytes(data), headers)
        return str(json.loads(ids)[0])

    async def latest(self, stream: str) -> Optional[Entry]:
        """The newest entry, however old; None where there is none."""
        entries, _ = await self._read([stream], {'last_entry_id': '0', 'latest': True, 'block': -1})
        return entries[-1] if entries else None

    async def read(
        self, streams: Union[str, Sequence[str]], *,
        last_entry_id: str = '0', count: int = PULL_COUNT, block: int = -1,
    ) -> tuple[list[Entry], str]:
        """
        Up to `count` entries of each stream, by HTTP; where there are none, waits up to `block` ms for some.

        :returns: the entries, and the `last_entry_id` for the next read: nothing is missed then, or seen twice
        """
        sids = [streams] if isinstance(streams, str) else list(streams)
        left = dict.fromkeys(sids, count)
        entries, cursor = await self._read(sids, {'last_entry_id': last_entry_id, 'count': count, 'block': block})
        answer = entries
        # An answer holds as many entries as its head can list.
        while answer:
            for entry in answer:
                left[entry.stream] -= 1
            if min(left.values()) <= 0:
                break
            answer, cursor = await self._read(
                sids, {'last_entry_id': cursor, 'count': min(left.values()), 'block': -1})
            entries += answer
        return entries, cursor

    async def graphql(self, query: str, variables: Optional[Mapping[str, Any]] = None) -> Any:
        """:returns: the answer's data :raises GatewayError: the first of its errors"""
        body = json.dumps({'query': query, 'variables': variables or {}}).encode()
        _, answer = await self._ask('POST', 'graphql', {}, body, {'Content-Type': 'application/json'})
        result = json.loads(answer)
        for error in result.get('errors', ()):
            raise GatewayError(error.get('extensions', {}).get('code', 'bad_query'), error['message'])
        return result['data']

    async def streams(self, match: Optional[str] = None) -> list[dict[str, Any]]:
        """All streams, or those whose keys (`id`) fit a Redis glob, with `length`, `entriesAdded`, `lastEntryId`."""
        query = 'query ($match: String) { streams(match: $match) { id length entriesAdded lastEntryId } }'
        return list((await self.graphql(query, {'match': match}))['streams'])

    async def devices(self, *, seen: bool = False) -> list[dict[str, Any]]:
        """Devices that are connected, or were ever seen: `id`, `meta`."""
        query = 'query ($seen: Boolean) { devices(includeAll: $seen) { id meta } }'
        return list((await self.graphql(query, {'seen': seen}))['devices'])

    async def connect_device(self, device: str, meta: Optional[Mapping[str, Any]] = None) -> None:
        """Says that a device is there, and replaces its metadata where some is given."""
        query = 'mutation ($id: String!, $meta: JSON) { connectDevice(deviceId: $id, meta: $meta) }'
        await self.graphql(query, {'id': device, **({} if meta is None else {'meta': meta})})

    async def disconnect_device(self, device: str) -> None:
        """Says that a device is gone."""
        await self.graphql('mutation ($id: String!) { disconnectDevice(deviceId: $id) }', {'id': device})

    async def stream_meta(self, stream: str) -> dict[str, Any]:
        """The metadata of a stream of this device. :param stream: its id; for the default device also a whole key"""
        names = self._graphql_names(stream)
        if names.get('device', 'default') == 'default':
            # By the same rule as the mutations, which find the default device's streams by their whole keys, too.
            answer = await self.graphql('query ($id: String!) { stream(id: $id) { meta } }', {'id': names['id']})
        else:
            query = 'query ($device: String!, $id: String!) { device(id: $device) { stream(streamId: $id) { meta } } }'
            answer = (await self.graphql(query, names))['device']
        return dict(answer['stream']['meta'])

    async def update_stream_meta(self, stream: str, meta: Mapping[str, Any], *, merge: bool = False) -> None:
        """
        Replaces the metadata of a stream of this device.

        :param stream: its id; for the default device also a whole key
        :param merge: keep what `meta` does not name
        """
        call = 'updateStreamMeta(streamId: $id, deviceId: $device, meta: $meta, update: $merge)'
        query = f'mutation ($id: String!, $device: String, $meta: JSON!, $merge: Boolean!) {{ {call} }}'
        await self.graphql(query, {**self._graphql_names(stream), 'meta': meta, 'merge': merge})

    async def delete_stream(self, stream: str) -> bool:
        """
        Deletes a stream of this device, and its metadata.

        :param stream: its id; for the default device also a whole key
        :returns: whether there was one
        """
        query = 'mutation ($id: String!, $device: String) { deleteStream(streamId: $id, deviceId: $device) }'
        answer = await self.graphql(query, self._graphql_names(stream))
        return bool(answer['deleteStream']['stream_deleted'])

    def _graphql_names(self, stream: str) -> dict[str, str]:
        """How GraphQL names a stream of this device: it has no parameter for the prefix, which system streams lack."""
        stream_id = stream if stream.startswith(':') else (self.prefix or '') + stream
        return {'id': stream_id} if self.device is None else {'id': stream_id, 'device': self.device}

    def _names(self) -> dict[str, object]:
        return {'device_id': self.device, 'prefix': self.prefix}

    def _address(self, path: str, parameters: Mapping[str, object]) -> str:
        given = {name: value for name, value in parameters.items() if value is not None}
        return f'{self.url}/{path}?{urlencode(given)}'

    async def _read(self, sids: Sequence[str], options: Mapping[str, object]) -> tuple[list[Entry], str]:
        headers, body = await self._ask('GET', f'data/{_path(sids)}', {**self._names(), **options})
        return _split(json.loads(headers['x-offsets']), body), headers['x-last-entry-id']

    async def _resolve_newest(self, cursors: dict[str, str]) -> None:
        """`$` becomes the id that it stands for now: what comes before the next connection is not lost."""
        sids = [sid for sid, cursor in cursors.items() if cursor == '$']
        # The head of one answer has room for the cursors of so many streams.
        for group in (sids[at:at + PINNED_AT_ONCE] for at in range(0, len(sids), PINNED_AT_ONCE)):
            _, newest = await self._read(group, {'last_entry_id': '$', 'block': -1})
            cursors.update(zip(group, _spread(newest, len(group))))

    async def _ask(
        self, method: str, path: str, parameters: Mapping[str, object],
        body: Optional[bytes] = None, headers: Mapping[str, str] = {},
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """A request by HTTP, in a thread. :returns: the answer's headers and body :raises GatewayError: a refusal"""
        url = urlsplit(self._address(path, parameters))
        authorization = {} if self.token is None else {'Authorization': f'Bearer {self.token}'}

        def exchange() -> tuple[http.client.HTTPResponse, bytes]:
            kind = http.client.HTTPSConnection if url.scheme == 'https' else http.client.HTTPConnection
            connection = kind(url.hostname or '', url.port, timeout=ANSWER_SECONDS)
            try:
                connection.request(method, f'{url.path}?{url.query}', body, {**headers, **authorization})
                answer = connection.getresponse()
                return answer, answer.read()
            finally:
                connection.close()

        try:
            answer, content = await asyncio.to_thread(exchange)
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError('unreachable', f'no gateway answers at {self.url}: {error!r}') from error
        if answer.status >= 400:
            raise _error_from_answer(answer, content)
        return answer.headers, content

    async def _open(self, path: str, parameters: Mapping[str, object], **options: Any) -> Any:
        """A WebSocket; its class depends on the version of `websockets`."""
        parameters = {**self._names(), **parameters}
        # A token as a subprotocol, since the parameter for headers has two names.
        protocols: Any = None if self.token is None else ['streamgate', f'bearer.{self.token}']
        try:
            # A short queue: what a slow consumer has not read waits in the gateway.
            return await websockets.connect(
                self._address(path, parameters).replace('http', 'ws', 1), subprotocols=protocols, compression=None,
                max_size=None, max_queue=4, open_timeout=OPEN_SECONDS, close_timeout=CLOSE_SECONDS, **options,
            )
        except InvalidHandshake:
            # Old versions of `websockets` do not hand out what a refusal says: the same is asked by HTTP.
            await self._ask('GET', path, parameters, headers=UPGRADE)
            raise GatewayError('unreachable', 'a connection was refused, and would be accepted now') from None
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            raise GatewayError('unreachable', f'no gateway answers at {self.url}: {error!r}') from error


@dataclass(eq=False)
class _Waiting:
    """An entry that was given and is not settled."""

    stream: Optional[str]
    time: Union[int, str, None]
    data: bytes
    settled: asyncio.Future[str]
    may_be_stored: bool = False

    @property
    def bytes(self) -> int:
        return len(self.data) + ENTRY_BYTES


class Producer:
    """Writes entries over one WebSocket, in order. An entry that is refused fails its own `send` only."""

    def __init__(self, gate: Streamgate, stream: str, resend: bool, max_in_flight_bytes: int) -> None:
        self._gate, self._stream, self._resend, self._max_in_flight_bytes = gate, stream, resend, max_in_flight_bytes
        self._in_flight_bytes = self._failures = 0
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._sent: collections.deque[list[_Waiting]] = collections.deque()  # messages, in the order of their acks
        self._has_work, self._has_settled, self._turn = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._task: Optional[asyncio.Task[None]] = None
        self._error: Optional[GatewayError] = None

    async def send(self, data: Data, *, stream: Optional[str] = None, time: Union[Moment, str, None] = None) -> str:
        """
        Stores an entry. :returns: its id

        :param time: its own time, or with a text `ms-seq` its id; after the stream's newest entry
        :raises GatewayError: it is not stored; with the code `unknown_outcome`, perhaps it is
        """
        return await (await self.put(data, stream=stream, time=time))

    async def put(
        self, data: Data, *, stream: Optional[str] = None, time: Union[Moment, str, None] = None
    ) -> asyncio.Future[str]:
        """
        As `send`, but waits for room only, so that many entries are under way at once.

        :returns: the id, as soon as there is one
        """
        async with self._turn:
            while self._in_flight_bytes >= self._max_in_flight_bytes and self._error is None:
                await self._next_settled()
        if self._error is not None:
            raise self._error
        if stream is not None:
            stream.encode()  # what is no text fails here
        moment = time if isinstance(time, str) else _ms(time)
        waiting = _Waiting(stream, moment, _to_bytes(data), asyncio.get_running_loop().create_future())
        self._in_flight_bytes += waiting.bytes
        self._waiting.append(waiting)
        self._has_work.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return waiting.settled

    async def flush(self) -> None:
        """Waits until all that was put is settled, stored or not."""
        while self._waiting or self._sent:
            await self._next_settled()

    async def close(self) -> None:
        """Flushes, and closes the connection."""
        await self.flush()
        await self.abort()

    async def abort(self) -> None:
        """Closes the connection; what is not settled fails."""
        self._error = self._error or GatewayError('closed', 'the producer is closed')
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(self._error)

    async def __aenter__(self) -> Producer:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await (self.close() if kind is None else self.abort())

    async def _next_settled(self) -> None:
        self._has_settled.clear()
        await self._has_settled.wait()

    async def _run(self) -> None:
        while self._error is None:
            await self._has_work.wait()
            try:
                ws = await self._gate._open(f'data/{_path([self._stream])}/push', {'ack': True})
                parts = [asyncio.create_task(part) for part in (self._write(ws), self._read_acks(ws))]
                try:
                    await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for part in parts:
                        part.cancel()
                    faults = await asyncio.gather(*parts, return_exceptions=True)
                    await ws.close()
                fault = next(fault for fault in faults if isinstance(fault, Exception))
                error = _error_from_close(fault) if isinstance(fault, ConnectionClosed) else _bad_answer(repr(fault))
            except GatewayError as refusal:
                error = refusal
            self._take_back(error)
            if self._error is None and (error.may_pass or error.close_code == TOO_LARGE):
                await _wait_before_retry(f'push to {self._stream}', error, self._failures)
                self._failures += 1
            else:
                self._fail(error)

    async def _write(self, ws: Any) -> None:
        while True:
            await self._has_work.wait()
            message, rows, size = self._next_message(), [], 0
            for waiting in message:
                # Starts: as ends they would be ambiguous where the first entry is empty.
                rows.append([waiting.stream, waiting.time, size])
                size += len(waiting.data)
            self._sent.append(message)
            await ws.send(json.dumps(rows, ensure_ascii=False))
            await ws.send(b''.join(waiting.data for waiting in message))

    def _next_message(self) -> list[_Waiting]:
        message = [self._waiting.popleft()]
        size = message[0].bytes
        while self._waiting and len(message) < BATCH_ENTRIES and size + self._waiting[0].bytes <= BATCH_BYTES:
            message.append(self._waiting.popleft())
            size += message[-1].bytes
        if not self._waiting:
            self._has_work.clear()
        return message

    async def _read_acks(self, ws: Any) -> None:
        while True:
            acks = json.loads(await ws.recv())
            self._failures = 0
            for waiting, ack in zip(self._sent.popleft(), acks):
                if isinstance(ack, str):
                    self._settle(waiting, ack)
                elif ack['code'] == 'id_not_increasing' and waiting.may_be_stored:
                    self._settle(waiting, GatewayError('unknown_outcome', f'sent again: {ack["error"]}'))
                else:
                    self._settle(waiting, GatewayError(ack['code'], ack['error']))

    def _take_back(self, error: GatewayError) -> None:
        """What becomes of messages whose acks were lost with the connection."""
        sent = list(self._sent)
        self._sent.clear()
        if sent and error.close_code == TOO_LARGE:
            # No message is larger than BATCH_BYTES, but with one entry alone.
            largest = max(sent, key=lambda message: message[0].bytes)
            sent.remove(largest)
            self._settle(largest[0], error)
        for message in reversed(sent):
            for waiting in reversed(message):
                # A gateway that goes down answers all that it took.
                if self._resend or error.close_code == GOING_DOWN:
                    waiting.may_be_stored |= error.close_code != GOING_DOWN
                    self._waiting.appendleft(waiting)
                else:
                    self._settle(waiting, GatewayError('unknown_outcome', f'its ack was lost: {error}'))
        if self._waiting:
            self._has_work.set()

    def _fail(self, error: GatewayError) -> None:
        self._error = self._error or error
        self._resend = False
        self._take_back(error)
        while self._waiting:
            self._settle(self._waiting.popleft(), error)

    def _settle(self, waiting: _Waiting, outcome: Union[str, GatewayError]) -> None:
        self._in_flight_bytes -= waiting.bytes
        self._has_settled.set()
        if waiting.settled.done():
            return  # nobody waits for it any more
        if isinstance(outcome, str):
            waiting.settled.set_result(outcome)
        else:
            waiting.settled.set_exception(outcome)


def _path(sids: Sequence[str]) -> str:
    return '+'.join(quote(sid, safe='*:') for sid in sids)


def _spread(ids: str, streams: int) -> list[str]:
    given = ids.split('+')
    if len(given) not in (1, streams):
        raise ValueError(f'last_entry_id must have one id, or one for each of {streams} streams, not {len(given)}')
    return given * (streams // len(given))


def _ms(moment: Optional[Moment]) -> Optional[int]:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment


def _id_before(moment: Moment) -> str:
    ms = _ms(moment) or 0
    return f'{ms - 1}-{2**64 - 1}' if ms > 0 else '0'


def _to_bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _split(header: Sequence[Any], payload: bytes) -> list[Entry]:
    """A header is `[[stream, id, start], …]`; an entry ends where the next one starts."""
    ends = [start for _, _, start in header[1:]] + [len(payload)]
    return [Entry(stream, id, payload[start:end]) for (stream, id, start), end in zip(header, ends)]


async def _receive(ws: Any) -> tuple[Any, bytes]:
    """The next message of a pull: a header and its payload, or an object alone, which tells of a gap."""
    header = json.loads(await ws.recv())
    return header, b'' if isinstance(header, dict) else await ws.recv()


async def _wait_before_retry(what: str, error: GatewayError, failures: int) -> None:
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(failures, 10))
    seconds = max(error.retry_after, longest * random.uniform(0.5, 1))  # not all clients at once
    log.warning('%s: %s; again in %.1f s', what, error, seconds)
    await asyncio.sleep(seconds)


def _bad_answer(message: str, status: Optional[int] = None) -> GatewayError:
    return GatewayError('bad_answer', message, status=status)


def _error_from_answer(answer: http.client.HTTPResponse, content: bytes) -> GatewayError:
    try:
        body, retry_after = json.loads(content), answer.headers.get('Retry-After', '')
        seconds = float(retry_after) if retry_after.isdigit() else 0
        return GatewayError(body['code'], body['error'], status=answer.status, retry_after=seconds)
    except (ValueError, TypeError, LookupError):
        return _bad_answer(f'the server answered HTTP {answer.status}, without a reason', answer.status)


def _error_from_close(closed: ConnectionClosed) -> GatewayError:
    if closed.rcvd is None:
        return GatewayError('closed', 'the connection broke off', close_code=BROKEN)
    code = 'payload_too_large' if closed.rcvd.code == TOO_LARGE else 'closed'
    message = f'the gateway closed the connection with {closed.rcvd.code}: {closed.rcvd.reason}'
    return GatewayError(code, message, close_code=closed.rcvd.code)
