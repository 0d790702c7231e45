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

/**
 * Names in index.html what the entry (src/main.ts) asks for at once, so that the browser fetches it together with the entry, and the page is not seen without its styles.
 */
function nameStart(): Plugin {
  return {
    name: 'name-start',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(_, { bundle = {} }) {
        const chunks = Object.values(bundle).filter((one) => one.type === 'chunk')
        const entry = chunks.find((one) => one.isEntry)
        const known = new Set([entry?.fileName, ...(entry?.imports ?? [])])
        const found = new Set<string>()
        const styles = new Set<string>()
        const visit = (file: string): void => {
          const chunk = chunks.find((one) => one.fileName === file)
          if (!chunk || known.has(file) || found.has(file)) return
          found.add(file)
          for (const style of chunk.viteMetadata?.importedCss ?? []) styles.add(style)
          chunk.imports.forEach(visit)
        }
        visit(chunks.find((one) => one.facadeModuleId?.endsWith('/src/start.ts'))?.fileName ?? '')
        return [
          ...[...styles].map((style) => ({ tag: 'link', attrs: { rel: 'stylesheet', crossorigin: true, href: `/${style}` }, injectTo: 'head' as const })),
          ...[...found].map((file) => ({ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${file}` }, injectTo: 'head' as const })),
        ]
      },
    },
  }
}

async function compress(path: string): Promise<void> {
  const content = await readFile(path)
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }
  await writeFile(`${path}.br`, await promisify(brotliCompress)(content, brotli))
  await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }))
}

/** What the hallway and a room are made of comes as one file; what else there is, each in its own. */
const groups = [
  { name: 'languages', test: /\/src\/i18n\/languages\.ts$/, priority: 2 },
  { name: 'start', test: /\/src\/start\.ts$/, priority: 1 },
]

// `vite build --mode gallery --outDir …` builds the client with its made-up server instead (src/fixtures).
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), ...(mode === 'gallery' ? [] : [nameStart(), precompress()])],
  build: {
    target: ['chrome111', 'firefox115', 'safari16.4'],
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses would need a wider content security policy
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rolldownOptions: mode === 'gallery' ? { input: 'gallery.html' } : { output: { codeSplitting: { groups } } },
  },
  server: { proxy: { '/api': { target: 'http://localhost:8080', changeOrigin: false } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
}))
