/**
 * What requests to an address ask for, worked out once for each address: clients ask the same again and again, and
 * parsing it took as long as all else. It depends on nothing but the address and the settings; who asks is checked for
 * each request. An address that is refused has no plan, and is looked at each time.
 */
import type { Rights } from '../../../access/rights.js';
import type { Config } from '../../../config/settings.js';
import type { HttpExchange } from '../../http/http-exchange.js';

/** When there are so many, all are made anew. */
const MAX_PLANS = 512;
/** Longer addresses ask for much, beside which parsing does not count. */
const MAX_ADDRESS = 256;

export class Plans<T> {
  readonly #plans = new Map<string, T>();
  readonly #isUsable: boolean;

  /** @param config where addresses hold tokens, none is kept */
  constructor(config: Pick<Config, 'ALLOW_TOKEN_IN_QUERY'>) {
    this.#isUsable = !config.ALLOW_TOKEN_IN_QUERY;
  }

  /** The plan of a request, if it has one. @param encodedSid the path's variable part */
  find(rights: Rights, encodedSid: string, { query }: HttpExchange): T | undefined {
    return this.#plans.get(nameOf(rights, encodedSid, query));
  }

  /** Keeps what was worked out. @returns the plan */
  keep(rights: Rights, encodedSid: string, { query }: HttpExchange, plan: T): T {
    const name = nameOf(rights, encodedSid, query);
    if (!this.#isUsable || name.length > MAX_ADDRESS) return plan;
    if (this.#plans.size >= MAX_PLANS) this.#plans.clear();
    this.#plans.set(name, plan);
    return plan;
  }
}

/** A token for one device means that device where the query names none. None of the parts has a line break. */
const nameOf = ({ home }: Rights, encodedSid: string, query: string) => `${home}\n${encodedSid}\n${query}`;
