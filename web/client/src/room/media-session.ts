/** The room on the lock screen and on the media keys of a headset. */
import type { Person } from '../api/types'
import { photoURL } from '../ui/face'

export interface MediaCommands {
  leave(): void
  toggleMute(): void
}

type Action = 'stop' | 'hangup' | 'togglemicrophone' | 'play' | 'pause'

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
  handle({ stop: null, hangup: null, togglemicrophone: null, play: null, pause: null })
}

/** What the keys that play and pause do while the steady stream is on; null when it is not. */
export function steerPlayback(commands: { play(): void; pause(): void } | null): void {
  if ('mediaSession' in navigator) handle({ play: commands?.play ?? null, pause: commands?.pause ?? null })
}

function handle(handlers: Partial<Record<Action, (() => void) | null>>): void {
  for (const [action, handler] of Object.entries(handlers)) {
    try {
      navigator.mediaSession.setActionHandler(action as MediaSessionAction, handler)
    } catch {
      // a browser that does not know the action refuses its name
    }
  }
}
