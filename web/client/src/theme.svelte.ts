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
  }
}

export const theme = new ThemeChoice()
