/**
 * Bearer tokens of the tokens file.
 *
 *     sg_ | id | _ | secret: 32 random bytes, base64url
 *
 * What is stored is the SHA-256 of the whole. A slow, salted hash as for passwords would gain nothing:
 * nobody guesses 256 random bits, however fast each guess, and no two tokens are alike. The id, which is no
 * secret, finds the record; the digests are compared in constant time, so that an answer's delay tells
 * nothing of how far they agree.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** No `_`, which ends the id. */
const ID = /^[a-z0-9][a-z0-9.-]{0,62}$/;
const FORM = /^sg_([a-z0-9][a-z0-9.-]{0,62})_[A-Za-z0-9_-]{43}$/;
const SECRET_BYTES = 32;
const ID_BYTES = 4;

export interface NewToken {
  readonly id: string;
  /** To be shown once: it cannot be had again from what is stored. */
  readonly token: string;
  /** In hex. */
  readonly sha256: string;
}

const digestOf = (token: string) => createHash('sha256').update(token).digest();

export function isTokenId(text: string): boolean {
  return ID.test(text);
}

export function makeToken(id = randomBytes(ID_BYTES).toString('hex')): NewToken {
  const token = `sg_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { id, token, sha256: digestOf(token).toString('hex') };
}

/** The id that a token names; undefined where it is no token of ours. */
export function tokenId(token: string): string | undefined {
  return FORM.exec(token)?.[1];
}

/** @param sha256 of the token that is expected, in hex */
export function isToken(token: string, sha256: string): boolean {
  return timingSafeEqual(digestOf(token), Buffer.from(sha256, 'hex'));
}
