/**
 * The slot of a key: CRC16 of the key, or of what stands between its first `{` and the first `}` behind that.
 *
 * Our own, since `cluster-key-slot` 1.1.1 takes a later `}` where the first pair is empty (`{}a}`), which Redis does not:
 * findings/cluster-key-slot-empty-tag.sh.
 * Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
 */
import { SLOTS } from './slot-table.js';

const OPEN = 0x7b;
const CLOSE = 0x7d;
/** CRC16/XMODEM: polynomial 0x1021, from 0. */
const POLYNOMIAL = 0x10_21;

const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80_00 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  return crc & 0xff_ff;
});

export function slotOf(key: string): number {
  const bytes = Buffer.from(key);
  const { from, to } = hashedPart(bytes);
  let crc = 0;
  for (let at = from; at < to; at++) crc = ((crc << 8) & 0xff_ff) ^ CRC_TABLE[(crc >> 8) ^ bytes[at]!]!;
  return crc % SLOTS;
}

function hashedPart(bytes: Buffer): { readonly from: number; readonly to: number } {
  const from = bytes.indexOf(OPEN) + 1;
  const to = from === 0 ? -1 : bytes.indexOf(CLOSE, from);
  return to > from ? { from, to } : { from: 0, to: bytes.length };
}
