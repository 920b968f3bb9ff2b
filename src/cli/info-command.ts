/** `streamgate info`: what Redis tells of a stream, its newest entry and its metadata. */
import { describeStream, type Meta } from '../client/graphql.js';
import { detectMediaType } from '../protocol/media-type.js';
import { makeClient, type TargetValues } from './client-options.js';
import { runSession } from './command-session.js';
import { formatBytes, formatLag, previewName } from './preview.js';

export interface InfoValues extends TargetValues {
  readonly json?: boolean;
}

interface StreamInfo {
  readonly id: string;
  readonly length: number;
  readonly entriesAdded: number;
  readonly groups: number;
  readonly lastGeneratedId: string;
  readonly maxDeletedEntryId: string;
  readonly firstEntryId: string;
  readonly firstEntryTime: string;
  readonly lastEntryId: string;
  readonly lastEntryTime: string;
  readonly error: string;
  readonly meta: Meta;
}

const FIELDS = `{ id length entriesAdded groups lastGeneratedId maxDeletedEntryId
  firstEntryId firstEntryTime lastEntryId lastEntryTime error meta }`;

function describe(info: StreamInfo): string[] {
  const age = formatLag(Math.max(Date.now() - Date.parse(info.lastEntryTime), 0));
  const told = (id: string, time: string, more = '') => (id === '' ? 'none' : `${id}  ${time}${more}`);
  return [
    `stream         ${previewName(info.id)}`,
    `entries        ${info.length}, ${info.entriesAdded} ever added`,
    `oldest         ${told(info.firstEntryId, info.firstEntryTime)}`,
    `newest         ${told(info.lastEntryId, info.lastEntryTime, `, ${age} ago`)}`,
    `last id        ${info.lastGeneratedId}`,
    `last deleted   ${info.maxDeletedEntryId}`,
    `groups         ${info.groups}`,
    `metadata       ${JSON.stringify(info.meta)}`,
  ];
}

export async function showStream(sid: string, values: InfoValues): Promise<void> {
  await runSession(0, async ({ signal }) => {
    const info = await describeStream<StreamInfo>(values, sid, FIELDS, signal);
    if (info.error !== '') throw new Error(`there is no stream ${previewName(info.id)}: ${info.error}`);
    // Only the sid's own stream is read so: a whole key may belong to another device.
    const newest = await makeClient(values).latest(sid, { signal });
    const size = newest && { bytes: newest.data.length, type: detectMediaType(newest.data) };
    if (values.json) {
      process.stdout.write(
        `${JSON.stringify({ ...info, lastEntryBytes: size?.bytes, lastEntryType: size?.type })}\n`,
      );
      return;
    }
    const lines = describe(info);
    if (size) lines.splice(4, 0, `its size       ${formatBytes(size.bytes)}, ${size.type}`);
    process.stdout.write(`${lines.join('\n')}\n`);
  });
}
