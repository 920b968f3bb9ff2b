/** A gateway whose threads can be made to fail, and its clock to jump: see `inner-faults.ts`. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js';
import { FAULTS_PATH, type InnerFault } from './inner-faults.js';

const PRELOADED = resolve('dist/test/support/inner-faults.js');

export interface FaultyGateway extends GatewayProcess {
  /** Resolves once the fault is on its way to its thread. */
  inflict(fault: InnerFault): Promise<void>;
}

export async function startFaultyGateway(settings: Record<string, string>): Promise<FaultyGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-faults-'));
  const path = join(folder, 's');
  const gateway = await startGatewayProcess({
    ...settings,
    NODE_OPTIONS: `--import ${PRELOADED}`,
    [FAULTS_PATH]: path,
  });
  return {
    ...gateway,
    inflict: async (fault) => {
      const socket = connect(path);
      socket.write(`${JSON.stringify(fault)}\n`);
      await once(socket, 'data');
      socket.destroy();
    },
    stop: async () => {
      const code = await gateway.stop();
      await rm(folder, { recursive: true, force: true });
      return code;
    },
  };
}
