/** Which hosts only this machine can reach. */

const LOOPBACK = /^(localhost|(::ffff:)?127(\.\d{1,3}){3}|::1)$/i;

/** @param host a name or an address; IPv6 with or without the brackets of an URL */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host);
}
