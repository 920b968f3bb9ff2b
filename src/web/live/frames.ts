/** Waiting for the display. */

/** Until the next frame is drawn; of a hidden tab none is. At once where `signal` aborts. */
export function nextFrame(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancelAnimationFrame(request);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const request = requestAnimationFrame(done);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done);
  });
}

/** Has something drawn with the next frame, once, however often it is asked for. */
export class FrameJob {
  readonly #draw: () => void;
  #request: number | undefined;

  constructor(draw: () => void) {
    this.#draw = draw;
  }

  ask(): void {
    this.#request ??= requestAnimationFrame(() => {
      this.#request = undefined;
      this.#draw();
    });
  }

  cancel(): void {
    if (this.#request !== undefined) cancelAnimationFrame(this.#request);
    this.#request = undefined;
  }
}
