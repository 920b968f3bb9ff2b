/**
 * A WebSocket that may be closed at any time: browsers write an error into the console where one is closed
 * before it is open, which is no error for who goes from stream to stream quickly.
 */
export class PatientSocket extends WebSocket {
  override close(code?: number, reason?: string): void {
    if (this.readyState !== WebSocket.CONNECTING) super.close(code, reason);
    else this.addEventListener('open', () => super.close(code, reason));
  }
}
