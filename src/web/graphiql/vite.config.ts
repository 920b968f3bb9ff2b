/** Builds GraphiQL, which stands at `/graphql`. */
import { mergeConfig } from 'vite';
import { pageConfig } from '../page-config.js';

export default mergeConfig(pageConfig('graphiql'), {
  resolve: {
    alias: [{ find: /^react-remove-scroll-bar$/, replacement: '/no-scroll-bar.ts' }],
  },
  build: {
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      // GraphiQL calls its icons after their functions.
      output: { keepNames: true },
      // 'use client', at the head of many a React file, is for servers that render.
      onLog: (
        level: string,
        log: { readonly code?: string },
        write: (level: string, log: object) => void,
      ): void => {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') write(level, log);
      },
    },
  },
});
