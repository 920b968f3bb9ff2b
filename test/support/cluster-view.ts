/**
 * What a node says of its cluster.
 * Source: https://redis.io/docs/latest/commands/cluster-nodes/
 */

export interface NodeView {
  readonly id: string;
  /** Such as `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`. */
  readonly flags: readonly string[];
  /** The id of a replica's master. */
  readonly master: string | undefined;
  /** Of two nodes that both claim a slot, the one with the higher epoch has it. */
  readonly epoch: number;
  /** Ranges, both ends included; a slot that is on the move still belongs to the node that it leaves. */
  readonly slots: readonly (readonly [first: number, last: number])[];
}

/** Reads the reply to `CLUSTER NODES`. */
export function parseClusterNodes(reply: string): NodeView[] {
  return reply
    .trim()
    .split('\n')
    .map((line) => {
      const [id, , flags, master, , , epoch, , ...slots] = line.split(' ');
      return {
        id: id!,
        flags: flags!.split(','),
        master: master === '-' ? undefined : master,
        epoch: Number(epoch),
        slots: slots.filter((range) => !range.startsWith('[')).map(parseRange),
      };
    });
}

function parseRange(range: string): [number, number] {
  const [first, last = first] = range.split('-').map(Number);
  return [first!, last!];
}

export const hasSlot = ({ slots }: NodeView, slot: number) =>
  slots.some(([first, last]) => first <= slot && slot <= last);

/** Who has which slots and who copies whom: the same text at all nodes that agree. */
export function pictureOf(nodes: readonly NodeView[]): string {
  return nodes
    .map(({ id, master, slots }) => `${id} ${master ?? '-'} ${slots.join(' ')}`)
    .sort()
    .join('\n');
}
