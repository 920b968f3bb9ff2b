/** An entry that is stored, but not on as many replicas as its producer asked for. */
import { Failure, type FailureBody } from '../protocol/errors.js';

export class NotReplicated extends Failure {
  /** How many replicas are known to have the entry. */
  readonly replicas: number;

  constructor(wanted: number, replicas: number) {
    super('not_replicated', `the entry is stored; ${replicas} of ${wanted} replicas have it so far`);
    this.replicas = replicas;
  }

  /** What the producer is told, with the id under which the entry is stored. */
  bodyOf(id: string): FailureBody & { readonly id: string; readonly replicas: number } {
    return { ...this.body, id, replicas: this.replicas };
  }
}
