/**
 * Who may do what. On where there is a tokens file or a key for JWTs; off, everybody may do everything.
 *
 * A token is looked at once a request or connection. What it grants holds until it expires, or until the
 * tokens file is read again and has it no more or otherwise: then whoever is connected by it is told.
 */
import { z } from 'zod';
import type { Config } from '../config/settings.js';
import { Failure } from '../protocol/errors.js';
import type { Logger } from '../system/logger.js';
import { checkAccessSettings, isOpenToOthers, needsTokens } from './access-settings.js';
import { ExpiryWatch } from './expiry-watch.js';
import { expired, Grant } from './grant.js';
import { CLOCK_TOLERANCE_S, JwtVerifier } from './jwt.js';
import { ENTITLEMENT, Rights } from './rights.js';
import { readTokenFile, type TokenRecord } from './token-file.js';
import { isToken, tokenId } from './tokens.js';

/** The claim of a JWT that says what it allows, in the form of a record of the tokens file. */
export const JWT_CLAIM = 'streamgate';
const CLAIM = z.strictObject(ENTITLEMENT);

/** More than this is no token of anybody's. */
const MAX_TOKEN_BYTES = 8192;
const MAX_NAME_LENGTH = 64;

const revoked = () => new Failure('invalid_token', 'the token was revoked or changed');
const invalid = () => new Failure('invalid_token', 'the token is not valid');

interface KnownToken {
  readonly record: TokenRecord;
  readonly grant: Grant;
}

export class AccessControl {
  readonly isOn: boolean;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #everything: Grant;
  readonly #live = new ExpiryWatch((grant) => this.#end(grant, expired()));
  #jwt: JwtVerifier | undefined;
  /** By id. */
  #tokens: ReadonlyMap<string, KnownToken> = new Map();
  #reloading: Promise<void> = Promise.resolve();

  private constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.isOn = needsTokens(config);
    const rights = Rights.everything(this.#devicePrefixing);
    this.#everything = new Grant('anonymous', rights, Number.POSITIVE_INFINITY, this.#live);
  }

  /** @throws AccessSettingsError, TokenFileError, KeySetError */
  static async start(config: Config, logger: Logger): Promise<AccessControl> {
    checkAccessSettings(config);
    const access = new AccessControl(config, logger);
    access.#jwt = await JwtVerifier.create(config);
    await access.#readTokens();
    if (isOpenToOthers(config)) {
      logger.warn(
        { HOST: config.HOST },
        'ALLOW_ANONYMOUS=1: everybody who can reach the gateway may do everything',
      );
    }
    return access;
  }

  get #devicePrefixing(): boolean {
    return !this.#config.DISABLE_MULTI_DEVICE_PREFIXING;
  }

  /**
   * What a token grants: at once for one of the tokens file, later for a JWT.
   * @param token undefined: the request brings none
   * @throws Failure, or rejects with one: `unauthorized`, `invalid_token`, `forbidden`, `keys_unavailable`
   */
  authenticate(token: string | undefined): Grant | Promise<Grant> {
    if (!this.isOn) return this.#everything;
    if (token === undefined)
      throw new Failure('unauthorized', 'a token is needed: send the header Authorization: Bearer TOKEN');
    if (token.length > MAX_TOKEN_BYTES) throw invalid();
    const id = tokenId(token);
    if (id !== undefined) return this.#grantOf(id, token);
    if (this.#jwt !== undefined) return this.#grantOfJwt(this.#jwt, token);
    throw invalid();
  }

  /** Reads the tokens file and the key set again. What cannot be read leaves things as they are. */
  reload(): Promise<void> {
    const reload = async () => {
      let isRead = this.isOn;
      for (const read of [() => this.#jwt?.reload(), () => this.#readTokens()]) {
        await Promise.resolve(read()).catch((error: Error) => {
          isRead = false;
          this.#logger.error({ reason: error.message }, 'access control stays as it was');
        });
      }
      if (isRead) this.#logger.info({ tokens: this.#tokens.size }, 'access control is read again');
    };
    // One after the other: of two in quick succession the later one counts.
    this.#reloading = this.#reloading.then(reload);
    return this.#reloading;
  }

  close(): void {
    this.#live.close();
  }

  #grantOf(id: string, token: string): Grant {
    const known = this.#tokens.get(id);
    if (known === undefined || !isToken(token, known.record.sha256)) throw invalid();
    const { grant } = known;
    grant.check();
    this.#checkWall(grant.rights);
    return grant;
  }

  async #grantOfJwt(jwt: JwtVerifier, token: string): Promise<Grant> {
    const { exp, sub, [JWT_CLAIM]: claim } = await jwt.verify(token);
    const entitlement = CLAIM.safeParse(claim);
    if (!entitlement.success) {
      const { path, message } = entitlement.error.issues[0]!;
      const place = [JWT_CLAIM, ...path].join('.');
      throw new Failure('forbidden', `the token's claim '${place}' does not say what it allows: ${message}`);
    }
    const rights = new Rights(entitlement.data, this.#devicePrefixing);
    this.#checkWall(rights);
    const name = String(sub ?? 'jwt').slice(0, MAX_NAME_LENGTH);
    return new Grant(name, rights, (exp + CLOCK_TOLERANCE_S) * 1000, this.#live);
  }

  #checkWall({ wall }: Rights): void {
    if (wall === undefined || this.#devicePrefixing) return;
    throw new Failure(
      'forbidden',
      'this token is for a device, which DISABLE_MULTI_DEVICE_PREFIXING=1 does not allow',
    );
  }

  async #readTokens(): Promise<void> {
    const path = this.#config.ACCESS_TOKENS_FILE;
    if (path === undefined) return;
    const records = await readTokenFile(path);
    const before = this.#tokens;
    this.#tokens = new Map(records.map((record) => [record.id, this.#know(record, before.get(record.id))]));
    for (const [id, { grant }] of before) {
      if (this.#tokens.get(id)?.grant !== grant) this.#end(grant, revoked());
    }
  }

  #know(record: TokenRecord, before: KnownToken | undefined): KnownToken {
    if (before !== undefined && isSame(record, before.record)) return { record, grant: before.grant };
    const expires = record.expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(record.expires);
    const rights = new Rights(record, this.#devicePrefixing);
    return { record, grant: new Grant(record.id, rights, expires, this.#live) };
  }

  #end(grant: Grant, failure: Failure): void {
    if (grant.isWatched) {
      this.#logger.info(
        { token: grant.name, reason: failure.message },
        'closing connections authenticated by a revoked or expired token',
      );
    }
    grant.end(failure);
  }
}

/** Whether two records grant the same; what is noted beside is free. */
function isSame(one: TokenRecord, other: TokenRecord): boolean {
  const essence = ({ sha256, device, rights, expires }: TokenRecord) =>
    JSON.stringify([sha256, device, rights, expires]);
  return essence(one) === essence(other);
}
