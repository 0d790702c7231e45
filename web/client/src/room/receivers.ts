import { strength, newest } from './voices'

/**
 * Makes the receivers of a listening session anew, with jitter buffers that know nothing of the past, while session and tracks stay: the
 * connection is told that other sources are to come, and then those that do. The server is not asked: to it, nothing has changed.
 *
 * It must be other sources: Chromium keeps the receiver of one that only falls silent for a while, with all that it has learnt, and where the
 * source is not named at all meanwhile the track never sounds again for whoever takes it into Web Audio.
 */
export async function renewReceivers(connection: RTCPeerConnection, shape: (sdp: string) => string): Promise<void> {
  const answer = connection.currentRemoteDescription?.sdp
  if (!answer || connection.signalingState !== 'stable') return
  await agree(connection, shape, answer.replace(/^a=ssrc:(\d+)/gm, (_, source: string) => `a=ssrc:${otherThan(Number(source))}`))
  await agree(connection, shape, answer)
}

async function agree(connection: RTCPeerConnection, shape: (sdp: string) => string, answer: string): Promise<void> {
  const offer = await connection.createOffer()
  await connection.setLocalDescription({ type: 'offer', sdp: shape(offer.sdp ?? '') })
  await connection.setRemoteDescription({ type: 'answer', sdp: answer })
}

/** Far from the sources of the other slots, which follow one another. */
function otherThan(source: number): number {
  return (source ^ 0x5a5a5a5a) >>> 0
}

/** Whether somebody is heard at this moment, as far as the browser says how loud. */
export function isSounding(receivers: readonly RTCRtpReceiver[]): boolean {
  return receivers.some((receiver) => {
    const level = newest(receiver.getContributingSources())?.audioLevel ?? newest(receiver.getSynchronizationSources())?.audioLevel
    return level === undefined ? receiver.getContributingSources().length > 0 : strength(level) > 0
  })
}
