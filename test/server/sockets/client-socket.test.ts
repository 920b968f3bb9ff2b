/** A ClientSocket on a real server and a real connection, whose client reads when it is told to. */

import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { ClientSocket } from '../../../src/server/sockets/client-socket.js';

const MIB = 1024 * 1024;
/** More than the system holds for a connection. */
const FRAME = new Uint8Array(24 * MIB);

/** For 24 MiB to pass on a machine that has other things to do. */
const PATIENCE = { timeout: 20_000 };

const opened: ((socket: ClientSocket) => void)[] = [];
const server = App().ws<{ socket?: ClientSocket }>('/*', {
  maxBackpressure: 0,
  open: (ws) => {
    const socket = new ClientSocket(ws, { onRoom: () => {}, onEnd: () => {}, onClosed: () => {} });
    ws.getUserData().socket = socket;
    opened.shift()!(socket);
  },
  drain: (ws) => ws.getUserData().socket!.drained(),
  close: (ws) => ws.getUserData().socket!.closed(),
});
const listening = await new Promise<Parameters<typeof us_socket_local_port>[0]>((resolve) =>
  server.listen('127.0.0.1', 0, (socket) => resolve(socket as typeof listening)),
);
afterAll(() => us_listen_socket_close(listening));

async function connect(): Promise<{ socket: ClientSocket; client: WebSocket; received: () => number }> {
  const socket = new Promise<ClientSocket>((resolve) => opened.push(resolve));
  const client = new WebSocket(`ws://127.0.0.1:${us_socket_local_port(listening)}/`);
  let messages = 0;
  client.on('message', () => messages++);
  return { socket: await socket, client, received: () => messages };
}

test('a client that reads nothing has stalled for as many looks as there are', async () => {
  const { socket, client } = await connect();
  expect(socket.lookForStall()).toBe(0);
  client.pause();
  socket.sendBinary(FRAME);
  await turn();
  expect([1, 2, 3].map(() => socket.lookForStall())).toEqual([0, 1, 2]);
  client.resume();
  await vi.waitFor(() => expect(socket.unreadBytes).toBe(0), PATIENCE);
  expect(socket.lookForStall()).toBe(0);
  client.terminate();
});

test('a client of which as much waits as at the last look, but of the next message, has read', async () => {
  const { socket, client, received } = await connect();
  for (let message = 1; message <= 5; message++) {
    client.pause();
    socket.sendBinary(FRAME);
    await turn();
    // What the system takes of each differs a little.
    expect(socket.unreadBytes).toBeGreaterThan(FRAME.length / 4);
    expect(socket.lookForStall()).toBe(0);
    client.resume();
    await vi.waitFor(() => expect(received()).toBe(message), PATIENCE);
    await vi.waitFor(() => expect(socket.isWritable()).toBe(true), PATIENCE);
  }
  client.terminate();
});

test('what is sent together arrives in order, also where the socket is closed amid it', async () => {
  const { socket, client } = await connect();
  const received: string[] = [];
  client.on('message', (data) => received.push(String(data)));
  const closed = new Promise((resolve) => client.once('close', resolve));
  socket.cork(() => {
    socket.sendText('a');
    socket.sendText('b');
    socket.close(4000, 'enough');
    socket.sendText('c');
  });
  expect(await closed).toBe(4000);
  expect(received).toEqual(['a', 'b']);
});
