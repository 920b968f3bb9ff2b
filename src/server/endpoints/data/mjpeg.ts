/** `GET /data/{sid}/mjpeg`: the newest frame, and each that follows as soon as the client can take it. */
import type { Grant } from '../../../access/grant.js';
import { readStreamMediaType } from '../../../catalog/metadata.js';
import { BEFORE_FIRST } from '../../../protocol/entry-id.js';
import { Failure } from '../../../protocol/errors.js';
import { FRAME_PARTS, type PartWriting, SHOWN_PARTS, WHOLE_PARTS } from '../../../protocol/frame-parts.js';
import { detectMediaType } from '../../../protocol/media-type.js';
import { parseMaxFps, Query } from '../../../protocol/parameters.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { type AnswerFraming, type AnswerMessage, answerFollower } from './answer-follower.js';
import { isShownByBrowser } from './browsers.js';
import { readSelection, selectedKeys } from './selected-keys.js';
import { viewHeaders } from './view-headers.js';

export async function getMjpeg(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  encodedSid: string,
): Promise<void> {
  const query = new Query(exchange.query);
  const selection = readSelection(grant.rights, encodedSid, query);
  const maxFps = parseMaxFps(query);
  const keys = selectedKeys(context.config, grant.rights, 'read', selection);
  if (keys.length > 1) {
    throw new Failure('bad_parameter', `mjpeg needs exactly one stream, not ${keys.length}`);
  }
  const named = await readStreamMediaType(context.ranges, keys[0]!);
  const parameters = { latest: true, count: 1, block: 0, ack: false, maxFps };
  const request = { selection, keys, cursors: [BEFORE_FIRST], parameters };
  const parts = isShownByBrowser((name) => exchange.header(name)) ? SHOWN_PARTS : WHOLE_PARTS;
  await answerFollower(context, exchange, grant, request, () => framing(context, parts, named));
}

function framing(context: GatewayContext, parts: PartWriting, named: string | undefined): AnswerFraming {
  const { opening, filler, part } = parts;
  // Who is sent the very same.
  const variant = `mjpeg ${filler} ${named}`;
  return {
    endpoint: 'mjpeg',
    type: FRAME_PARTS,
    headers: [...viewHeaders(context), ['vary', 'accept, sec-fetch-dest, user-agent']],
    filler,
    opening,
    message: ({ batch, from, isShared }) => {
      const make = (): AnswerMessage => {
        const frame = batch.payload(from);
        return part(named ?? detectMediaType(frame), batch.ids[from]!, frame);
      };
      return isShared ? batch.message(variant, from, make) : make();
    },
    lastWords: () => '',
  };
}
