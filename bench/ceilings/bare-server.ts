/** The least that an open WebSocket costs: bare uWebSockets.js that takes whoever comes. Prints its port. */
import uws from 'uWebSockets.js';

uws
  .App()
  .ws('/*', { maxPayloadLength: 64 * 1024, idleTimeout: 120, sendPingsAutomatically: true })
  .listen('127.0.0.1', 0, (listening) => {
    if (listening === false) throw new Error('cannot listen');
    console.log(`port ${uws.us_socket_local_port(listening as never)}`);
  });
