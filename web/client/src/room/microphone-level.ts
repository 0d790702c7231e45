export interface LevelMeter {
  /** Root mean square of the last moment, 0 to 1. */
  level(): number
  close(): void
}

/** Measures a microphone for the ring around the speaker's own face, which no packet from the server can drive. */
export function microphoneLevel(track: MediaStreamTrack): LevelMeter {
  const context = new AudioContext({ latencyHint: 'interactive' })
  const analyser = new AnalyserNode(context, { fftSize: 1024, smoothingTimeConstant: 0 })
  const samples = new Float32Array(analyser.fftSize)
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
  context.resume().catch(() => {})
  return {
    level() {
      analyser.getFloatTimeDomainData(samples)
      let sum = 0
      for (const sample of samples) sum += sample * sample
      return Math.sqrt(sum / samples.length)
    },
    close() {
      context.close().catch(() => {})
    },
  }
}
