import { expect, it } from 'vitest'
import { isSounding, renewReceivers } from './receivers'

const answer = 'v=0\r\nm=audio 9\r\na=sendonly\r\na=ssrc:4294967295 cname:besedka\r\nm=audio 9\r\na=sendonly\r\na=ssrc:1 cname:besedka\r\nm=audio 9\r\na=inactive\r\n'

it('makes the receivers anew by saying that others are to come, and then those that do', async () => {
  const told: string[] = []
  const connection = {
    currentRemoteDescription: { sdp: answer }, signalingState: 'stable',
    createOffer: () => Promise.resolve({ sdp: `offer ${told.length}` }),
    setLocalDescription: ({ sdp }: { sdp: string }) => Promise.resolve(void told.push(sdp)),
    setRemoteDescription: ({ sdp }: { sdp: string }) => Promise.resolve(void told.push(sdp)),
  } as unknown as RTCPeerConnection
  await renewReceivers(connection, (sdp) => `shaped ${sdp}`)
  expect(told).toEqual(['shaped offer 0', answer.replace('ssrc:4294967295', 'ssrc:2779096485').replace('ssrc:1 ', 'ssrc:1515870811 '), 'shaped offer 2', answer])
})

it('leaves a connection alone that is being agreed upon, or was not yet', async () => {
  await renewReceivers({ signalingState: 'have-local-offer', currentRemoteDescription: { sdp: answer } } as RTCPeerConnection, (sdp) => sdp)
  await renewReceivers({ signalingState: 'stable', currentRemoteDescription: null } as RTCPeerConnection, (sdp) => sdp)
})

it('is sounding while the newest of what a slot plays is loud, or while nobody knows how loud', () => {
  const receiver = (...levels: (number | undefined)[]) => ({
    getContributingSources: () => levels.map((audioLevel, timestamp) => ({ source: timestamp, timestamp, audioLevel })),
    getSynchronizationSources: () => [],
  }) as unknown as RTCRtpReceiver
  expect(isSounding([receiver()])).toBe(false)
  expect(isSounding([receiver(0.3, 0.0001)])).toBe(false)
  expect(isSounding([receiver(), receiver(0.0001, 0.3)])).toBe(true)
  expect(isSounding([receiver(undefined)])).toBe(true)
})
