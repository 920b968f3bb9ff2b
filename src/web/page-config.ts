/** How every page of the gateway is built. Nothing in one may come from another host. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Plugin, UserConfig } from 'vite';

/** Text shrinks to a third and less; fonts and the like are packed already. */
const COMPRESSED = /\.(?:css|html|js|svg)$/;
const compress = promisify(gzip);

/**
 * A page's settings, for `vite build src/web/NAME`.
 * @param name the page's folder here, under `dist/web/`, and in the addresses of its assets, `/NAME/assets/…`
 */
export function pageConfig(name: string): UserConfig {
  return {
    base: `/${name}/`,
    logLevel: 'warn',
    plugins: [gzipped()],
    build: {
      outDir: `../../../dist/web/${name}`,
      emptyOutDir: true,
      // As data: URLs they would need an exception from the Content-Security-Policy.
      assetsInlineLimit: 0,
    },
  };
}

/** Puts a packed twin beside each file, so that the gateway packs nothing itself. */
function gzipped(): Plugin {
  return {
    name: 'gzipped',
    generateBundle: {
      // The page itself is added to the bundle as late as that.
      order: 'post',
      async handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          if (!COMPRESSED.test(file.fileName)) continue;
          const source = await compress(file.type === 'asset' ? file.source : file.code, { level: 9 });
          this.emitFile({ type: 'asset', fileName: `${file.fileName}.gz`, source });
        }
      },
    },
  };
}
