/** The room on the lock screen and on the media keys of a headset. */

export interface MediaCommands {
  leave(): void
  toggleMute(): void
}

const actions = ['stop', 'hangup', 'togglemicrophone'] as const

export function showMediaSession(title: string, host: string, commands: MediaCommands): void {
  if (!('mediaSession' in navigator)) return
  navigator.mediaSession.metadata = new MediaMetadata({ title, artist: host, artwork: [{ src: '/icon.svg', type: 'image/svg+xml' }] })
  navigator.mediaSession.playbackState = 'playing'
  handle({ stop: commands.leave, hangup: commands.leave, togglemicrophone: commands.toggleMute })
}

export function clearMediaSession(): void {
  if (!('mediaSession' in navigator)) return
  navigator.mediaSession.metadata = null
  navigator.mediaSession.playbackState = 'none'
  handle({ stop: null, hangup: null, togglemicrophone: null })
}

function handle(handlers: Record<(typeof actions)[number], (() => void) | null>): void {
  for (const action of actions) {
    try {
      navigator.mediaSession.setActionHandler(action as MediaSessionAction, handlers[action])
    } catch {
      // a browser that does not know the action refuses its name
    }
  }
}
