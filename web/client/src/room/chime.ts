/** Two soft notes, for the speaker whose turn is over. Nobody else hears them: they go to the own speakers, not to the microphone. */
export function chime(): void {
  const context = new AudioContext()
  const at = context.currentTime
  for (const [index, pitch] of [659.3, 523.3].entries()) {
    const note = context.createOscillator()
    const volume = context.createGain()
    const start = at + index * 0.28
    note.frequency.value = pitch
    volume.gain.setValueAtTime(0, start)
    volume.gain.linearRampToValueAtTime(0.12, start + 0.03)
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.7)
    note.connect(volume).connect(context.destination)
    note.start(start)
    note.stop(start + 0.75)
  }
  setTimeout(() => void context.close(), 1500)
}
