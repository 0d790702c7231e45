/** The room on the lock screen and on the media keys of a headset. */
import type { Person } from '../api/types'
import { photoURL } from '../ui/face'

export interface MediaCommands {
  leave(): void
  toggleMute(): void
}

const actions = ['stop', 'hangup', 'togglemicrophone'] as const

export function showMediaSession(title: string, host: Person, commands: MediaCommands): void {
  if (!('mediaSession' in navigator)) return
  navigator.mediaSession.metadata = new MediaMetadata({ title, artist: host.name, artwork: host.photo ? [{ src: photoURL(host.photo, 'large'), sizes: '512x512', type: 'image/jpeg' }] : [{ src: '/icon.svg', type: 'image/svg+xml' }] })
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
