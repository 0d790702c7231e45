// Starts the browsers of the system as guests of a network: Chromium, and Firefox with a sound card made of software.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, firefox } from 'playwright-core';
import { SoundCard } from './sound-card.mjs';

/**
 * A browser in the guest's namespace; what is said into its microphone is the WAV file, over and over.
 * With `permissions: 'remembered'` its owner has given the microphone to the secure origins for good; it has one context only then.
 * `secure` are origins that count as secure: the pages come over plain HTTP, and the microphone is given to secure pages only.
 */
export function launch(hosts, guest, { engine = 'chromium', says, permissions = ['microphone'], secure = [] }) {
  return engine === 'firefox' ? launchFirefox(hosts, guest, { says, permissions, secure }) : launchChromium(hosts, guest, { says, permissions, secure });
}

async function launchChromium(hosts, guest, { says, permissions, secure }) {
  const isRemembered = permissions === 'remembered';
  const options = {
    executablePath: hosts.program(guest, process.env.CHROMIUM ?? 'chromium'),
    timeout: 90000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...(permissions.length && !isRemembered ? ['--use-fake-ui-for-media-stream'] : []), '--use-fake-device-for-media-stream',
      ...(says ? [`--use-file-for-fake-audio-capture=${says}`] : []),
      `--unsafely-treat-insecure-origin-as-secure=${secure.join()}`],
  };
  if (isRemembered) return { browser: new Owned(profile(hosts, guest, secure), options) };
  return { browser: await chromium.launch(options), permissions };
}

/** A browser with a profile of its own, which has as many contexts as profiles. */
class Owned {
  #context;

  constructor(profile, options) {
    Object.assign(this, { profile, options });
  }

  async newContext(options) {
    this.#context = await chromium.launchPersistentContext(this.profile, { ...this.options, ...options });
    return this.#context;
  }

  close() {
    return this.#context.close();
  }
}

/**
 * A profile that remembers the microphone given to those origins. What is allowed by way of the browser's debugger, as permissions
 * of a context are, is allowed even where the page forbids it to its frames.
 */
function profile(hosts, guest, secure) {
  const folder = join(hosts.folder, `profile-${guest}`);
  const given = Object.fromEntries(secure.map((origin) => [`${origin},*`, { last_modified: '13300000000000000', setting: 1 }]));
  mkdirSync(join(folder, 'Default'), { recursive: true });
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify({ profile: { content_settings: { exceptions: { media_stream_mic: given } } } }));
  return folder;
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
