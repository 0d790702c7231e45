// Starts the browsers of the system as guests of a network: Chromium, and Firefox with a sound card made of software.
import { join } from 'node:path';
import { chromium, firefox } from 'playwright-core';
import { SoundCard } from './sound-card.mjs';

/**
 * A browser in the guest's namespace; what is said into its microphone is the WAV file, over and over.
 * `secure` are origins that count as secure: the pages come over plain HTTP, and the microphone is given to secure pages only.
 */
export function launch(hosts, guest, { engine = 'chromium', says, permissions = ['microphone'], secure = [] }) {
  return engine === 'firefox' ? launchFirefox(hosts, guest, { says, permissions, secure }) : launchChromium(hosts, guest, { says, permissions, secure });
}

async function launchChromium(hosts, guest, { says, permissions, secure }) {
  const browser = await chromium.launch({
    executablePath: hosts.program(guest, process.env.CHROMIUM ?? 'chromium'),
    timeout: 90000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...(permissions.length ? ['--use-fake-ui-for-media-stream'] : []), '--use-fake-device-for-media-stream',
      ...(says ? [`--use-file-for-fake-audio-capture=${says}`] : []),
      `--unsafely-treat-insecure-origin-as-secure=${secure.join()}`],
  });
  return { browser, permissions };
}

/**
 * The system's Firefox, driven by WebDriver BiDi: it needs no build of its own. Without any sound card its audio contexts
 * never run, and its own pretended microphone knows nothing but a tone.
 */
async function launchFirefox(hosts, guest, { says, permissions, secure }) {
  const card = await SoundCard.open(hosts.folder, guest, says);
  try {
    const browser = await firefox.launch({
      channel: 'moz-firefox',
      executablePath: hosts.program(guest, process.env.FIREFOX ?? 'firefox-esr', {
        environment: { HOME: hosts.folder, ...card.environment },
        through: `${process.execPath} ${join(import.meta.dirname, 'firefox-in.mjs')}`,
      }),
      timeout: 90000,
      firefoxUserPrefs: {
        'media.navigator.permission.disabled': permissions.includes('microphone'),
        'media.devices.insecure.enabled': true,
        'media.getusermedia.insecure.enabled': true,
        'dom.securecontext.allowlist': secure.map((origin) => new URL(origin).hostname).join(),
        'media.autoplay.default': 0,
        'media.autoplay.blocking_policy': 0,
        'app.update.enabled': false,
        'network.connectivity-service.enabled': false,
      },
    });
    browser.on('disconnected', () => card.close());
    return { browser, permissions: [] }; // BiDi knows no grants that Firefox understands
  } catch (error) {
    card.close();
    throw error;
  }
}
