/** Certificates of a test's own authority. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Makes `{name}.crt` and `{name}.key` in `folder`, by which a server at 127.0.0.1 or localhost is known as `name`.
 * The first is to be that of the authority, `ca`.
 */
export async function makeCertificate(folder: string, name: string): Promise<void> {
  const openssl = (...args: string[]) => promisify(execFile)('openssl', args, { cwd: folder });
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    `${name}.key`,
  ];
  if (name === 'ca') {
    await openssl('req', '-x509', ...key, '-out', 'ca.crt', '-subj', '/CN=test ca', '-days', '2');
    return;
  }
  await openssl('req', ...key, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  await writeFile(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost');
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
  await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.crt`);
}
