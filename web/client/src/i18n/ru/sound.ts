import type { sound as english } from '../en/sound'
import type { Translated } from '../catalogue'

/** Sound at the listener’s and the speaker’s end. */
export const sound: Translated<typeof english> = {
  sound: 'Звук',
  speaker: 'Где звучит',
  speaker_refused: 'Это устройство выбрать нельзя',
  levelling: 'Все одинаково громко',
  levelling_text: 'Тихие голоса громче, громкие тише.',
  spatial: 'Голоса со своих мест',
  spatial_text: 'Слева направо, как сидят на сцене. Для наушников.',
  music: 'Музыка',
  music_text: 'Микрофон как есть: стерео, без обработки. Нужны наушники.',
  music_warning: 'Эхо больше не убирается: наденьте наушники, иначе все услышат себя.',
  saving: 'Экономить данные',
  saving_auto: 'Когда нужно',
  saving_on: 'Всегда',
  saving_off: 'Никогда',
  saving_text: 'По одному голосу, ваш — с меньшим качеством, без фотографий.',
  saving_began: 'Связь плохая: теперь экономим данные',
  data_used: '{size} за последний час',
  line_4: 'Связь хорошая',
  line_3: 'Связь сносная',
  line_2: 'Связь плохая',
  line_1: 'Связь очень плохая',
  heard_badly: 'Вас плохо слышно: связь теряет много',
  bluetooth_warning: 'Беспроводная гарнитура с включённым микрофоном звучит как телефон. Выбрать другой микрофон?',
  mute_for_me: 'Не слышать',
  volume_here: 'Громкость, только у меня',
  not_heard: 'Не слышу этого человека',
  not_heard_done: 'Соединение обновлено; тот, кто держит сервер, узнает',
  sound_anew: 'Соединить звук заново',
}
