import { mount } from 'svelte'
import { App } from './app.svelte'
import { words } from './i18n/index.svelte'
import Root from './root.svelte'
import { routeOf } from './router.svelte'
import './styles/app.css'
import { theme } from './theme.svelte'

await words.restore()
theme.restore()

const target = document.getElementById('app')
if (!target) throw new Error('no #app in the page')

// A guest's token stands behind the #, which is never sent to a server.
const isGuestPage = routeOf(location.pathname).page === 'listen'
mount(Root, { target, props: { app: new App(isGuestPage ? decodeURIComponent(location.hash.slice(1)) : null) } })
