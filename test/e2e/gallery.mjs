// The client with its made-up server (web/client/gallery.html), built and served: every page and sheet without anybody else.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright-core';

const client = join(import.meta.dirname, '../../web/client');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.webmanifest': 'application/manifest+json' };

/** Builds the gallery into the folder and serves it: its address, and how to close it. */
export async function openGallery(folder) {
  execFileSync(process.execPath, [join(client, 'node_modules/vite/bin/vite.js'), 'build', '--mode', 'gallery', '--outDir', folder, '--emptyOutDir', '--logLevel', 'error'],
    { cwd: client, stdio: ['ignore', 'inherit', 'inherit'] });
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://gallery').pathname);
    try {
      const content = readFileSync(join(folder, path));
      response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A browser that needs no network but this machine's. */
export function galleryBrowser(args = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', timeout: 90000,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', '--autoplay-policy=no-user-gesture-required', ...args],
  });
}

/** The page stands as asked for: everything is pressed. */
export async function visit(page, gallery, query) {
  await page.goto(`${gallery.url}/gallery.html?${new URLSearchParams(query)}`);
  await page.locator('html[data-ready], html[data-failed]').waitFor({ state: 'attached' });
  const failure = await page.evaluate(() => document.documentElement.dataset.failed);
  if (failure) throw new Error(`${JSON.stringify(query)}: ${failure}`);
}
