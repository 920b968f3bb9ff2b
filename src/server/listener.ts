/**
 * Where clients connect, by TLS where there is a certificate.
 *
 * The socket library takes a certificate when an app is made and never again. So a renewed one means a new
 * app, which listens in the old one's place; connections that the old one has taken stay with it to their
 * end. Where the port is not shared, nobody listens in between, for less than a turn of the loop: a client that
 * connects just then is refused and comes again.
 */

import uws, { type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Config } from '../config/settings.js';
import { ListenError } from '../config/start-error.js';
import type { Logger } from '../system/logger.js';

/** uSockets' LIBUS_LISTEN_EXCLUSIVE_PORT: without it a second gateway shares the port in silence. */
const EXCLUSIVE_PORT = 1;
/** Workers share theirs, which the supervisor guards. */
const SHARED_PORT = 0;

interface Certificate {
  readonly cert_file_name: string;
  readonly key_file_name: string;
}

export type ListenSettings = Pick<Config, 'HOST' | 'PORT' | 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'WORKERS'>;

/**
 * The certificate, if there is one, as the library can use it.
 * @throws ListenError where it could not
 */
export async function checkCertificate({
  TLS_CERT_FILE,
  TLS_KEY_FILE,
}: Pick<ListenSettings, 'TLS_CERT_FILE' | 'TLS_KEY_FILE'>): Promise<Certificate | undefined> {
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined) return undefined;
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) {
    throw new ListenError('TLS_CERT_FILE and TLS_KEY_FILE must be set together.');
  }
  // The library itself says no more than that something is wrong.
  try {
    createSecureContext({ cert: await readFile(TLS_CERT_FILE), key: await readFile(TLS_KEY_FILE) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ListenError(
      `The certificate ${TLS_CERT_FILE} with the key ${TLS_KEY_FILE} cannot be used: ${code ?? message}.`,
    );
  }
  return { cert_file_name: TLS_CERT_FILE, key_file_name: TLS_KEY_FILE };
}

export class Listener {
  readonly #settings: ListenSettings;
  readonly #logger: Logger;
  readonly #addRoutes: (app: TemplatedApp) => void;
  /** All that ever listened: those replaced may have connections still. */
  readonly #apps: TemplatedApp[] = [];
  readonly #isSecure: boolean;
  #listening: us_listen_socket | undefined;
  #port = 0;

  private constructor(settings: ListenSettings, logger: Logger, addRoutes: (app: TemplatedApp) => void) {
    this.#settings = settings;
    this.#logger = logger;
    this.#addRoutes = addRoutes;
    this.#isSecure = settings.TLS_CERT_FILE !== undefined;
  }

  /** @throws ListenError */
  static async start(
    settings: ListenSettings,
    logger: Logger,
    addRoutes: (app: TemplatedApp) => void,
  ): Promise<Listener> {
    const listener = new Listener(settings, logger, addRoutes);
    try {
      const app = listener.#createApp(await checkCertificate(settings));
      listener.#listening = await listener.#listen(app, settings.PORT);
    } catch (error) {
      listener.close();
      throw error;
    }
    listener.#port = uws.us_socket_local_port(listener.#listening as never);
    return listener;
  }

  /** The port listened on, which differs from the configured one where that is 0. */
  get port(): number {
    return this.#port;
  }

  /** For people; without a path. */
  get address(): string {
    const { HOST } = this.#settings;
    return `http${this.#isSecure ? 's' : ''}://${HOST.includes(':') ? `[${HOST}]` : HOST}:${this.#port}`;
  }

  /**
   * Takes up the certificate anew. One that cannot be used leaves things as they are.
   * @throws ListenError where somebody else has taken the port in the meantime: nobody listens then
   */
  async reload(): Promise<void> {
    if (!this.#isSecure) return;
    let app: TemplatedApp;
    try {
      // A port that the system chose is not given again while connections to it are open.
      if (this.#settings.PORT === 0) throw new ListenError('With PORT=0 a certificate is not read again.');
      app = this.#createApp(await checkCertificate(this.#settings));
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      this.#logger.error({ reason: error.message }, 'the new certificate cannot be used; the old one stays');
      return;
    }
    // Who has been told to stop meanwhile must not begin again.
    if (this.#listening === undefined) return;
    const before = this.#listening;
    if (!this.#isShared) this.stopAccepting();
    this.#listening = await this.#listen(app, this.#port);
    if (this.#isShared) uws.us_listen_socket_close(before);
    this.#logger.info({ file: this.#settings.TLS_CERT_FILE }, 'the certificate is read again');
  }

  /** Takes no new connections. */
  stopAccepting(): void {
    if (this.#listening !== undefined) uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  /** Closes all connections at once. */
  close(): void {
    this.stopAccepting();
    for (const app of this.#apps) app.close();
  }

  get #isShared(): boolean {
    return this.#settings.WORKERS > 1;
  }

  #listen(app: TemplatedApp, port: number): Promise<us_listen_socket> {
    return listen(app, this.#settings.HOST, port, this.#isShared ? SHARED_PORT : EXCLUSIVE_PORT);
  }

  #createApp(certificate: Certificate | undefined): TemplatedApp {
    const app = certificate === undefined ? uws.App() : createSecureApp(certificate);
    this.#apps.push(app);
    this.#addRoutes(app);
    return app;
  }
}

/** @throws ListenError where Node takes the certificate and the library does not */
function createSecureApp(certificate: Certificate): TemplatedApp {
  try {
    return uws.SSLApp({ ...certificate });
  } catch {
    throw new ListenError(`The certificate ${certificate.cert_file_name} cannot be used for TLS.`);
  }
}

function listen(app: TemplatedApp, host: string, port: number, options: number): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    const listening = (socket: us_listen_socket | false) => {
      if (socket) resolve(socket);
      else reject(ListenError.at(host, port));
    };
    // The library takes the options here too, though its types know them only without a host.
    (
      app.listen as unknown as (host: string, port: number, options: number, cb: typeof listening) => void
    ).call(app, host, port, options, listening);
  });
}
