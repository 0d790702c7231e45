/** Where the program begins: nothing but the order in which its parts are fetched. The words come while the rest does (index.html names it, see vite.config.ts). */
import { fetchCatalogue, languageOf, storedChoice } from './i18n/languages'

void fetchCatalogue(languageOf(storedChoice())).catch(() => {}) // the start asks for them again
void import('./start')
