/** `streamgate info`: what Redis tells of a stream, its newest entry and its metadata. */
import type { Meta } from '../client/graphql.js';
import { detectMediaType } from '../wire/media-type.js';
import { makeClient, type TargetValues } from './client-options.js';
import { formatBytes, formatLag, previewName } from './preview.js';
import { runSession } from './session.js';

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
const OF_DEVICE = `query ($device: String!, $id: String!) { device(id: $device) { stream(streamId: $id) ${FIELDS} } }`;
const OF_ALL = `query ($id: String!) { stream(id: $id) ${FIELDS} }`;

/** @throws GatewayError */
async function askForStream(sid: string, values: InfoValues, signal: AbortSignal): Promise<StreamInfo> {
  const gate = makeClient(values);
  const { device } = values;
  const id = (values.prefix ?? '') + sid;
  if (device === undefined) {
    return (await gate.graphql<{ stream: StreamInfo }>(OF_ALL, { id }, { signal })).stream;
  }
  const data = await gate.graphql<{ device: { stream: StreamInfo } }>(OF_DEVICE, { device, id }, { signal });
  return data.device.stream;
}

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
    const info = await askForStream(sid, values, signal);
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
