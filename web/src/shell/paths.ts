// A place to go on to after signing in. Only paths of this house are followed. The browser's own parser judges, because
// it drops tabs and line ends and folds dots, and what comes out must not begin with two slashes either.
export function safeNext(value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^\/(?![/\\])/.test(value)) return undefined
  const { origin } = window.location
  if (!URL.canParse(value, origin)) return undefined
  const url = new URL(value, origin)
  if (url.origin !== origin || url.pathname.startsWith('//')) return undefined
  return url.pathname + url.search + url.hash
}

// Where the server itself answers, such as the door of its OpenID provider: the router knows no page for it.
export function isServerPath(path: string): boolean {
  return /^\/oauth\/authorize(?:\?|$)/.test(path)
}
