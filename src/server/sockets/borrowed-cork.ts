/**
 * A cork that belongs to no client, for WebSockets that are upgraded after an await.
 *
 * uWebSockets.js asks for `res.cork(() => res.upgrade(…))`. But where the upgraded socket stays at its
 * place in memory, as it mostly does, `res.cork` takes it for the response that it was, looks for a flag
 * in memory that something else may own by now, and where it seems set closes the connection that it has
 * just opened (uWebSockets#1928, mended there after the release we use). Without a cork each upgrade
 * prints a warning. So it is done in the cork of another response, one that the process asks of itself
 * and never answers: the library has one cork a thread, so that the upgrade writes straight to its own
 * socket and nobody looks at it afterwards.
 */

import uws, { type HttpResponse, type us_listen_socket } from 'uWebSockets.js';
import { Socket } from 'node:net';

export interface BorrowedCork {
  /** Runs `upgrade` at once. */
  cork(upgrade: () => void): void;
  close(): void;
}

const LOOPBACK = '127.0.0.1';

/** Resolves once there is one. Without a loopback address to ask oneself on, the warnings are printed. */
export async function borrowCork(): Promise<BorrowedCork> {
  const app = uws.App();
  let lender: HttpResponse | undefined;
  const isAsked = new Promise<void>((resolve) => {
    app.get('/', (res) => {
      res.onAborted(() => {
        if (lender === res) lender = undefined;
      });
      lender ??= res;
      resolve();
    });
  });
  const listening = await new Promise<us_listen_socket | false>((resolve) => {
    app.listen(LOOPBACK, 0, resolve);
  });
  const client = new Socket();
  if (listening) {
    client.on('error', () => {});
    client.connect(uws.us_socket_local_port(listening as never), LOOPBACK).unref();
    client.write(`GET / HTTP/1.1\r\nHost: ${LOOPBACK}\r\n\r\n`);
    await isAsked;
    uws.us_listen_socket_close(listening);
  }
  return {
    cork: (upgrade) => {
      if (lender === undefined) upgrade();
      else lender.cork(upgrade);
    },
    close: () => {
      client.destroy();
      app.close();
    },
  };
}
