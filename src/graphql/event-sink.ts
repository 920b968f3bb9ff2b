/** Where the texts of a subscription's results go: its client's connection, in its framing. */
export interface EventSink {
  /** Whether a result would go out now rather than wait. */
  isWritable(): boolean;
  /** Sends a result's JSON. Only while `isWritable`. */
  send(text: string): void;
  /** The same, once the client has room. @returns once it has room for more */
  sendInTurn(text: string): Promise<void>;
  /** Runs `send` so that small results leave together. */
  cork(send: () => void): void;
  /** @param onRoom is called when there is room again */
  open(onRoom: () => void): void;
  /** Nothing is sent any more. */
  close(): void;
}
