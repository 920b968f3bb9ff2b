import { StartError } from '../config/start-error.js';

/** The embedded Redis can't be started; the message is one sentence for the person who starts it. */
export class EmbeddedRedisError extends StartError {}
