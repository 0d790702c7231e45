/**
 * Makes the client's connections.
 *
 * A page that may use the microphone has its connections bound to each of the machine's networks by Chromium, which believes in a new
 * network only when nothing has changed any more for a while: by its source 2 s on Linux, 1.5 s on Windows, half a second on a Mac. So long who
 * changes networks hears nothing. Without the microphone a connection goes where everything goes, the new way at once, and the server is not told the machine's
 * addresses. Therefore the page makes its connections in a hidden frame of its own to which it denies the microphone. What is
 * heard and said goes in and out as tracks.
 *
 * Not so on Android, which waits for a second at most, and on ChromeOS: where the device has no echo canceller, Chromium cancels there only
 * what the connections of the window with the microphone play, and elsewhere all that the browser plays. Nor in Firefox and Safari, of
 * which it is not known that they would gain; neither tells its platform this way.
 */
const platforms = ['Linux', 'macOS', 'Windows']

let frame: HTMLIFrameElement | null = null

export function makeConnection(configuration: RTCConfiguration): RTCPeerConnection {
  try {
    const Framed = gainsByFrame() ? windowOf((frame ??= addFrame()))?.RTCPeerConnection : undefined
    if (Framed) return new Framed(configuration)
  } catch {
    // the page's own does it too
  }
  return new RTCPeerConnection(configuration)
}

/** Chromium alone says so (User-Agent Client Hints). */
function gainsByFrame(): boolean {
  const { userAgentData } = navigator as { userAgentData?: { platform?: string } }
  return platforms.includes(userAgentData?.platform ?? '')
}

/** Outside the body, whose content comes and goes; hidden, it is neither focused nor read out. */
function addFrame(): HTMLIFrameElement {
  const made = document.createElement('iframe')
  made.allow = "microphone 'none'"
  made.hidden = true
  document.documentElement.append(made)
  return made
}

function windowOf(made: HTMLIFrameElement): typeof globalThis | null {
  return made.contentWindow as typeof globalThis | null
}
