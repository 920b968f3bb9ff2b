/** Which of uWebSockets.js' two builds is in use. docs/builds.md lists how they differ. */

/** `process.versions.modules` of Node.js 22. */
const FIRST_NEWER_ABI = 127;

/** The build for Node.js 22 and later, from 2026; that for Node.js 20 is from 2023. */
export const IS_NEWER_BUILD = Number(process.versions.modules) >= FIRST_NEWER_ABI;
