import { strength, newest } from './voices'

/**
 * Makes the receivers of a listening session anew, with jitter buffers that know nothing of the past, while session and tracks stay: the
 * connection is told that nothing is to come, and then that everything is. The server is not asked: to it, nothing has changed.
 */
export async function renewReceivers(connection: RTCPeerConnection, shape: (sdp: string) => string): Promise<void> {
  const answer = connection.currentRemoteDescription?.sdp
  if (!answer || connection.signalingState !== 'stable') return
  const receiving = connection.getTransceivers().filter((transceiver) => transceiver.currentDirection === 'recvonly')
  await direct(connection, receiving, 'inactive', shape, answer.replace(/^a=sendonly/gm, 'a=inactive'))
  await direct(connection, receiving, 'recvonly', shape, answer)
}

async function direct(connection: RTCPeerConnection, transceivers: RTCRtpTransceiver[], direction: RTCRtpTransceiverDirection, shape: (sdp: string) => string, answer: string): Promise<void> {
  for (const transceiver of transceivers) transceiver.direction = direction
  const offer = await connection.createOffer()
  await connection.setLocalDescription({ type: 'offer', sdp: shape(offer.sdp ?? '') })
  await connection.setRemoteDescription({ type: 'answer', sdp: answer })
}

/** Whether somebody is heard at this moment, as far as the browser says how loud. */
export function isSounding(receivers: readonly RTCRtpReceiver[]): boolean {
  return receivers.some((receiver) => {
    const level = newest(receiver.getContributingSources())?.audioLevel ?? newest(receiver.getSynchronizationSources())?.audioLevel
    return level === undefined ? receiver.getContributingSources().length > 0 : strength(level) > 0
  })
}
