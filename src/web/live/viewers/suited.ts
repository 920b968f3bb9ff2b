/** Which viewer suits a payload. */
import { BYTES, detectMediaType } from '../../../protocol/media-type.js';
import { numbersIn } from '../numbers.js';
import type { ViewerKind } from './viewer.js';

export function suitedViewer(data: Uint8Array): ViewerKind {
  const type = detectMediaType(data);
  if (type.startsWith('image/')) return 'image';
  if (type === BYTES) return data.length === 0 ? 'text' : 'hex';
  return numbersIn(data).values.size > 0 ? 'plot' : 'text';
}
