import { defineConfig } from 'vite';

/** Builds GraphiQL, the one page of the gateway. Nothing in it may come from another host. */
export default defineConfig({
  root: 'src/web/graphiql',
  // Where the gateway serves the folder; the page itself stands at /graphql.
  base: '/graphiql/',
  resolve: {
    alias: [{ find: /^react-remove-scroll-bar$/, replacement: '/no-scroll-bar.ts' }],
  },
  logLevel: 'warn',
  build: {
    outDir: '../../../dist/web/graphiql',
    emptyOutDir: true,
    // As data: URLs they would need an exception from the Content-Security-Policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      // GraphiQL calls its icons after their functions.
      output: { keepNames: true },
      // 'use client', at the head of many a React file, is for servers that render.
      onLog: (level, log, write) => {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') write(level, log);
      },
    },
  },
});
