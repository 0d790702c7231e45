/** How sound is wanted on this device. Kept in the browser, never sent anywhere. */

export type Saving = 'auto' | 'on' | 'off'

interface Kept {
  levelling: boolean
  spatial: boolean
  music: boolean
  saving: Saving
  speaker: string
  volumes: Record<string, number>
}

const stored = 'besedka.sound'
const mostVolumes = 200
const plain: Kept = { levelling: false, spatial: false, music: false, saving: 'auto', speaker: '', volumes: {} }

export class SoundSettings {
  levelling = $state(false)
  spatial = $state(false)
  /** The microphone as it is: no processing, stereo, 128 kbit/s. */
  music = $state(false)
  saving = $state<Saving>('auto')
  /** The device that sounds; empty for the system's choice. */
  speaker = $state('')
  /** The line has become so bad that saving began by itself. */
  isLineBad = $state(false)
  isSaving = $derived(this.saving === 'on' || (this.saving === 'auto' && (this.isLineBad || asksToSave())))
  private volumes = $state.raw<Record<string, number>>({})

  constructor() {
    const kept = { ...plain, ...read() }
    this.levelling = kept.levelling === true
    this.spatial = kept.spatial === true
    this.music = kept.music === true
    this.saving = kept.saving === 'on' || kept.saving === 'off' ? kept.saving : 'auto'
    this.speaker = typeof kept.speaker === 'string' ? kept.speaker : ''
    this.volumes = typeof kept.volumes === 'object' && kept.volumes ? kept.volumes : {}
  }

  /** How loud a person is on this device: 0 to 2, 1 as they are. */
  volume(account: string): number {
    const volume = this.volumes[account]
    return typeof volume === 'number' && volume >= 0 && volume <= 2 ? volume : 1
  }

  setVolume(account: string, volume: number): void {
    const others = Object.entries(this.volumes).filter(([one]) => one !== account)
    this.volumes = Object.fromEntries([...others.slice(-mostVolumes + 1), ...(volume === 1 ? [] : [[account, volume] as const])])
    this.save()
  }

  save(): void {
    const { levelling, spatial, music, saving, speaker, volumes } = this
    localStorage.setItem(stored, JSON.stringify({ levelling, spatial, music, saving, speaker, volumes } satisfies Kept))
  }
}

/** The settings of this device. */
export const sound = new SoundSettings()

function read(): Partial<Kept> {
  try {
    return JSON.parse(globalThis.localStorage?.getItem(stored) ?? '{}') as Partial<Kept>
  } catch {
    return {}
  }
}

function asksToSave(): boolean {
  return (globalThis.navigator as { connection?: { saveData?: boolean } } | undefined)?.connection?.saveData === true
}
