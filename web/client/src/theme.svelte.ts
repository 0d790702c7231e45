/** Light or dark: as the system, or as chosen. */
export type Theme = 'system' | 'light' | 'dark'

const stored = 'besedka.theme'

class ThemeChoice {
  choice = $state<Theme>('system')

  restore(): void {
    const choice = localStorage.getItem(stored)
    if (choice === 'light' || choice === 'dark') this.choose(choice)
  }

  choose(choice: Theme): void {
    this.choice = choice
    if (choice === 'system') {
      localStorage.removeItem(stored)
      delete document.documentElement.dataset.theme
    } else {
      localStorage.setItem(stored, choice)
      document.documentElement.dataset.theme = choice
    }
    this.colourFrame()
  }

  /** What the browser draws around the page: index.html has a colour for each scheme of the system, and a chosen theme wins over it. */
  private colourFrame(): void {
    for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')) {
      const scheme = meta.dataset.scheme ?? ''
      meta.media = this.choice === 'system' ? `(prefers-color-scheme: ${scheme})` : this.choice === scheme ? 'all' : 'not all'
    }
  }
}

export const theme = new ThemeChoice()
