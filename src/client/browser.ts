/** What `import … from 'streamgate'` means in browsers. */
export * from './api.js';
export { Streamgate } from './streamgate.js';
