/** Connects and disconnects devices, known ones and new ones. */
import { find, setText } from './elements.js';
import { type PageSession, reasonOf } from './page-session.js';

const SAID_MS = 6000;

export class DeviceForm {
  readonly #session: PageSession;
  readonly #said = find('device-said', HTMLElement);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: PageSession) {
    this.#session = session;
    const form = find('device-form', HTMLFormElement);
    const input = find('device', HTMLInputElement);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const device = input.value.trim();
      if (device !== '' && (await this.setConnected(device, true))) input.value = '';
    });
  }

  /** @returns whether it could be done; where not, the reason is shown */
  async setConnected(device: string, connected: boolean): Promise<boolean> {
    try {
      await this.#session.run(null, (gate) =>
        connected ? gate.connectDevice(device) : gate.disconnectDevice(device),
      );
      this.#say(`${device} is ${connected ? 'connected' : 'disconnected'}.`, false);
      return true;
    } catch (error) {
      this.#say(reasonOf(error), true);
      return false;
    }
  }

  #say(text: string, isProblem: boolean): void {
    setText(this.#said, text);
    this.#said.classList.toggle('problem', isProblem);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => setText(this.#said, ''), SAID_MS);
  }
}
