/** Requests to JetStream: streams and consumers made for a measurement, and what a stream holds. */
import { once } from 'node:events';
import { clientFrame } from './frames.js';
import { natsPublish, openNats } from './nats.js';

export interface JetStream {
  /** Makes a stream of a subject, and removes one of that name that is there already. */
  create(stream: string, subject: string, storage: 'memory' | 'file', maxMessages: number): Promise<void>;
  /** @returns how many messages were ever stored in it */
  stored(stream: string): Promise<number>;
  stop(): Promise<void>;
}

interface Answer {
  readonly error?: { readonly description: string };
  readonly state?: { readonly last_seq: number };
}

const INBOX = '_ours.api';

export async function openJetStream(port: number): Promise<JetStream> {
  let answered = (_answer: Answer) => {};
  const { socket, settle } = await openNats(port, (bytes, at, length) => {
    answered(JSON.parse(Buffer.from(bytes.subarray(at, at + length)).toString()) as Answer);
  });
  await settle(`SUB ${INBOX} 1`);
  const ask = (operation: string, body: object) =>
    new Promise<Answer>((resolve) => {
      answered = resolve;
      const payload = Buffer.from(JSON.stringify(body));
      socket.write(clientFrame(natsPublish(`$JS.API.${operation}`, INBOX, payload)));
    });
  return {
    create: async (stream, subject, storage, maxMessages) => {
      await ask(`STREAM.DELETE.${stream}`, {});
      const { error } = await ask(`STREAM.CREATE.${stream}`, {
        name: stream,
        subjects: [subject],
        storage,
        max_msgs: maxMessages,
        retention: 'limits',
        discard: 'old',
      });
      if (error) throw new Error(`JetStream refused a stream: ${error.description}`);
    },
    stored: async (stream) => (await ask(`STREAM.INFO.${stream}`, {})).state?.last_seq ?? 0,
    stop: async () => {
      if (socket.destroyed) return;
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    },
  };
}

/** The request for a consumer that sends what comes from now on to `inbox`, without being acknowledged. */
export function consumerRequest(stream: string, inbox: string, reply: string): Buffer {
  const config = {
    deliver_subject: inbox,
    deliver_policy: 'new',
    ack_policy: 'none',
    mem_storage: true,
  };
  const body = Buffer.from(JSON.stringify({ stream_name: stream, config }));
  return clientFrame(natsPublish(`$JS.API.CONSUMER.CREATE.${stream}`, reply, body));
}
