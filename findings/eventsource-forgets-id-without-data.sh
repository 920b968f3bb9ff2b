#!/usr/bin/env bash
# Server-sent events: npm eventsource 4.1.1 and 5.1.5, eventsource-client 1.2.0 and @microsoft/fetch-event-source 2.0.1.
#
# Guess: a block that consists of `id:` alone sets the last event id, as the HTML standard has it (dispatching sets the
#   last event id first and only then returns if there is no data). So a server can send a cursor when the stream
#   opens, before there is an event, and a client that loses the connection comes back with it.
# Seen: eventsource 4 and eventsource-client take the id over only together with an event. After `id: 7-0` and a lost
#   connection they reconnect without `Last-Event-ID`, so whatever was stored in between is never
#   delivered. With a line `data: {}` in the block the id is remembered. eventsource 5 does as the
#   standard says. fetch-event-source remembers the bare id, but
#   delivers an empty message for it.
# What follows: send an opening cursor as a named event with data.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund eventsource4@npm:eventsource@4.1.1 eventsource5@npm:eventsource@5.1.5 eventsource-client@1.2.0 @microsoft/fetch-event-source@2.0.1 >/dev/null
cat >run.mjs <<'JS'
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createEventSource } from 'eventsource-client';
import { EventSource as EventSource4 } from 'eventsource4';
import { EventSource as EventSource5 } from 'eventsource5';

/** Sends `block`, ends the answer, and resolves with the Last-Event-ID of the next request. */
async function reconnectsWith(block, connect) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/`;
  const close = connect(url);
  const [, first] = await once(server, 'request');
  first.writeHead(200, { 'content-type': 'text/event-stream' });
  first.end(`retry: 50\n${block}\n\n`);
  const [again, second] = await once(server, 'request');
  close();
  second.end();
  server.closeAllConnections();
  server.close();
  return again.headers['last-event-id'];
}

const open = (EventSource) => (url) => {
  const source = new EventSource(url);
  source.addEventListener('error', () => {});
  return () => source.close();
};
const clients = {
  'eventsource 4': [open(EventSource4), undefined],
  'eventsource 5': [open(EventSource5), '7-0'],
  'eventsource-client': [
    (url) => {
      const source = createEventSource({ url });
      return () => source.close();
    },
    undefined,
  ],
};
for (const [name, [connect, afterBare]] of Object.entries(clients)) {
  const bare = await reconnectsWith('id: 7-0', connect);
  const withData = await reconnectsWith('id: 7-0\nevent: cursor\ndata: {}', connect);
  console.log(`${name}: after a bare id ${bare ?? 'no Last-Event-ID'}, with data ${withData}`);
  assert.equal(bare, afterBare, name);
  assert.equal(withData, '7-0', name);
}

// The browser library parses by itself: its parser is what counts.
const { getLines, getMessages } = await import('@microsoft/fetch-event-source/lib/cjs/parse.js').then((m) => m.default ?? m);
const ids = [];
const messages = [];
const onLine = getMessages((id) => ids.push(id), () => {}, (message) => messages.push(message));
getLines(onLine)(new TextEncoder().encode('id: 7-0\n\n'));
console.log('fetch-event-source: ids', ids, 'messages', JSON.stringify(messages));
assert.deepEqual(ids, ['7-0']);
assert.equal(messages.length, 1);
assert.equal(messages[0].data, '');
process.exit(0);
JS
timeout 60 node run.mjs
echo 'as described'
