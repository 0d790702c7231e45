/**
 * Asks for what speech needs in an offer: Opus with in-band FEC and DTX (RFC 7587, section 6.1: useinbandfec, usedtx), one channel.
 * Everything else of the offer stays as the browser made it.
 */
export function shapeSpeech(sdp: string): string {
  return withOpus(sdp, { useinbandfec: '1', usedtx: '1' })
}

/** As shapeSpeech, for music: two channels, 128 kbit/s, never silent (RFC 7587, section 6.1: stereo, sprop-stereo, maxaveragebitrate). */
export function shapeMusic(sdp: string): string {
  return withOpus(sdp, { useinbandfec: '1', usedtx: '0', stereo: '1', 'sprop-stereo': '1', maxaveragebitrate: '128000' })
}

/** As shapeSpeech, for a line that costs: 16 kbit/s. */
export function shapeSaving(sdp: string): string {
  return withOpus(sdp, { useinbandfec: '1', usedtx: '1', maxaveragebitrate: '16000' })
}

/** A listener takes two channels, so that music comes as it was played. */
export function shapeListening(sdp: string): string {
  return withOpus(sdp, { stereo: '1' })
}

function withOpus(sdp: string, wanted: Record<string, string>): string {
  return [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2\r?$/gim)].reduce((shaped, [, payload]) => withParameters(shaped, payload ?? '', wanted), sdp)
}

function withParameters(sdp: string, payload: string, wanted: Record<string, string>): string {
  const line = new RegExp(`^a=fmtp:${payload} (.*?)(\\r?)$`, 'm')
  if (!line.test(sdp)) {
    return sdp.replace(new RegExp(`^(a=rtpmap:${payload} .*?)(\\r?)$`, 'm'), (_, rtpmap: string, end: string) => `${rtpmap}${end}\na=fmtp:${payload} ${parameters('', wanted)}${end}`)
  }
  return sdp.replace(line, (_, given: string, end: string) => `a=fmtp:${payload} ${parameters(given, wanted)}${end}`)
}

function parameters(given: string, wanted: Record<string, string>): string {
  const pairs = new Map(given.split(';').filter(Boolean).map((pair) => pair.trim().split('=', 2) as [string, string]))
  for (const [name, value] of Object.entries(wanted)) pairs.set(name, value)
  return [...pairs].map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join(';')
}

/**
 * The offer as the server gets it: the server is to begin the DTLS handshake, which it does with its answer to the first check of the path, a round
 * trip before the browser could (RFC 8842: whoever offers actpass takes either part). Not in Firefox, which drops what comes before its own checks are done.
 */
export function letServerBegin(sdp: string): string {
  return /^o=mozilla/m.test(sdp) ? sdp : sdp.replace(/^a=setup:actpass/gm, 'a=setup:passive')
}

/** An empty trickle fragment (RFC 8840) that only asks whether the session is still there. */
export function emptyFragment(localSDP: string): string {
  const ufrag = /^a=ice-ufrag:(.*?)\r?$/m.exec(localSDP)?.[1] ?? ''
  const pwd = /^a=ice-pwd:(.*?)\r?$/m.exec(localSDP)?.[1] ?? ''
  return `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n`
}
