/** The pages of who is not signed in, fetched together. */
export { default as JoinPage } from './join.svelte'
export { default as SignInPage } from './sign-in.svelte'
