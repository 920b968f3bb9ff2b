/**
 * JSON Web Tokens: signatures, dates, audience and issuer.
 *
 * The key is chosen by the algorithm that a token claims: HS256 is only ever checked with the shared
 * secret, RS256 and ES256 only with the key set. So a public key is never taken for a secret, and `none` is
 * no algorithm at all.
 */

import { readFile } from 'node:fs/promises';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { Config } from '../config/settings.js';
import { StartError } from '../config/start-error.js';
import { Failure } from '../protocol/errors.js';

const SHARED = 'HS256';
const PUBLIC = ['RS256', 'ES256'];
/** Clocks of issuers are a little ahead or behind. */
export const CLOCK_TOLERANCE_S = 5;
const FETCH_MS = 5000;
/** After a fetch that failed none is tried: strangers must not make the gateway ask and ask. */
const RETRY_MS = 5000;
const ABOUT_TOKENS = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported];
const ADDRESS = /^https?:\/\//;

/** The key set is missing or no key set; the message is one sentence. */
export class KeySetError extends StartError {}

export type JwtSettings = Pick<Config, 'JWT_SECRET' | 'JWT_JWKS' | 'JWT_AUDIENCE' | 'JWT_ISSUER'>;

/** Payload of a token whose signature and dates hold. `exp` is always there: what is signed cannot be revoked. */
export type JwtClaims = JWTPayload & { readonly exp: number };

export class JwtVerifier {
  readonly #settings: JwtSettings;
  readonly #secret: Uint8Array | undefined;
  readonly #options: JWTVerifyOptions;
  #keySet: JWTVerifyGetKey | undefined;

  private constructor(settings: JwtSettings) {
    const { JWT_SECRET, JWT_JWKS, JWT_AUDIENCE, JWT_ISSUER } = settings;
    this.#settings = settings;
    this.#secret = JWT_SECRET === undefined ? undefined : new TextEncoder().encode(JWT_SECRET);
    this.#options = {
      algorithms: [...(JWT_SECRET === undefined ? [] : [SHARED]), ...(JWT_JWKS === undefined ? [] : PUBLIC)],
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
      ...(JWT_AUDIENCE === undefined ? {} : { audience: JWT_AUDIENCE }),
      ...(JWT_ISSUER === undefined ? {} : { issuer: JWT_ISSUER }),
    };
  }

  /** Undefined where neither a secret nor a key set is set. @throws KeySetError */
  static async create(settings: JwtSettings): Promise<JwtVerifier | undefined> {
    if (settings.JWT_SECRET === undefined && settings.JWT_JWKS === undefined) return undefined;
    const verifier = new JwtVerifier(settings);
    await verifier.reload();
    return verifier;
  }

  /** Reads a key set that is a file anew, and lets one that has an address be fetched anew. @throws KeySetError */
  async reload(): Promise<void> {
    const { JWT_JWKS } = this.#settings;
    if (JWT_JWKS === undefined) return;
    this.#keySet = ADDRESS.test(JWT_JWKS) ? fetchedKeySet(JWT_JWKS) : await readKeySet(JWT_JWKS);
  }

  /** @throws Failure `invalid_token`, `keys_unavailable` */
  async verify(token: string): Promise<JwtClaims> {
    try {
      const { payload } = await jwtVerify(token, this.#keyFor, this.#options);
      return payload as JwtClaims;
    } catch (error) {
      throw refusal(error);
    }
  }

  readonly #keyFor: JWTVerifyGetKey = (header, input) =>
    header.alg === SHARED ? this.#secret! : this.#keySet!(header, input);
}

function refusal(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof errors.JWTExpired) return new Failure('invalid_token', 'the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new Failure('invalid_token', `the token's claim '${error.claim}' is missing or wrong`);
  }
  return new Failure('invalid_token', 'the token is not valid');
}

async function readKeySet(path: string): Promise<JWTVerifyGetKey> {
  try {
    return createLocalJWKSet(JSON.parse(await readFile(path, 'utf8')) as JSONWebKeySet);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'it is no JSON Web Key Set';
    throw new KeySetError(`The key set ${path} of JWT_JWKS cannot be used: ${reason}.`);
  }
}

function fetchedKeySet(address: string): JWTVerifyGetKey {
  let blockedUntil = Number.NEGATIVE_INFINITY;
  const unavailable = () =>
    new Failure('keys_unavailable', 'the keys for checking the token cannot be fetched');
  const keySet = createRemoteJWKSet(new URL(address), {
    timeoutDuration: FETCH_MS,
    [customFetch]: (url, options) => {
      const now = performance.now();
      if (now < blockedUntil) throw unavailable();
      // Until it is known to have brought keys.
      blockedUntil = now + RETRY_MS;
      return fetch(url, options);
    },
  });
  const unblock = () => {
    blockedUntil = Number.NEGATIVE_INFINITY;
  };
  return async (header, input) => {
    try {
      const key = await keySet(header, input);
      unblock();
      return key;
    } catch (error) {
      // Of what jose throws, only these speak of the token; the others of the fetch.
      if (!ABOUT_TOKENS.some((kind) => error instanceof kind)) throw unavailable();
      unblock();
      throw error;
    }
  };
}
