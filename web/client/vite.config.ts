/// <reference types="vitest/config" />
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const dist = join(import.meta.dirname, 'dist')

/**
 * Writes a .br and a .gz beside every file of dist that is text, so that the server only chooses one and never compresses at run time.
 * Puts back dist/.gitkeep too: the folder is embedded by Go and must exist in a fresh clone.
 */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    async closeBundle() {
      await writeFile(join(dist, '.gitkeep'), '')
      const entries = await readdir(dist, { recursive: true, withFileTypes: true })
      const files = entries
        .filter((entry) => entry.isFile() && /\.(html|js|css|svg|json|webmanifest)$/.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name))
      await Promise.all(files.map(compress))
    },
  }
}

async function compress(path: string): Promise<void> {
  const content = await readFile(path)
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }
  await writeFile(`${path}.br`, await promisify(brotliCompress)(content, brotli))
  await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }))
}

// `vite build --mode gallery --outDir …` builds the client with its made-up server instead (src/fixtures).
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), ...(mode === 'gallery' ? [] : [precompress()])],
  build: {
    target: ['chrome111', 'firefox115', 'safari16.4'],
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses would need a wider content security policy
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    ...(mode === 'gallery' ? { rolldownOptions: { input: 'gallery.html' } } : {}),
  },
  server: { proxy: { '/api': { target: 'http://localhost:8080', changeOrigin: false } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
}))
