/** What `import … from 'streamgate'` means in Node: its WebSockets are those of ws, which can be paused, and which Node 20 has none of. */
import { WebSocket } from 'ws';
import type { WebSocketConstructor } from './connection.js';
import { Streamgate as PlatformStreamgate, type StreamgateOptions } from './streamgate.js';

export * from './api.js';

const HANDSHAKE_MS = 10_000;
/** Largest message taken: room for batches of frames, yet less than brings the process down. */
const MESSAGE_BYTES = 1024 * 1024 * 1024;

class NodeWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, {
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: MESSAGE_BYTES,
      // Payloads are images and the like, already compressed.
      perMessageDeflate: false,
    });
  }
}

export class Streamgate extends PlatformStreamgate {
  /** @throws GatewayError `bad_address` */
  constructor(url: string | URL, options: StreamgateOptions = {}) {
    super(url, { WebSocket: NodeWebSocket as unknown as WebSocketConstructor, ...options });
  }
}
