/** The pages beside the hallway and the rooms, fetched together when one of them is wanted. */
export { default as ConnectionPage } from './connection.svelte'
export { default as InvitationsPage } from './invitations.svelte'
export { default as ProfilePage } from './profile.svelte'
export { default as SettingsPage } from './settings.svelte'
export { default as SpeakPage } from './speak.svelte'
