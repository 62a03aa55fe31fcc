import type { StorefrontId } from '../api/types'

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

type Search = Record<string, unknown>

const shops: readonly StorefrontId[] = ['misaki', 'webgpt', 'genai', 'narai']

export function isShop(value: unknown): value is StorefrontId {
  return shops.some((shop) => shop === value)
}

function shopOf({ storefront }: Search): StorefrontId | undefined {
  return isShop(storefront) ? storefront : undefined
}

function word(value: unknown, shape: RegExp): string | undefined {
  return typeof value === 'string' && shape.test(value) ? value : undefined
}

// What is not accepted must be named as absent: the router keeps what a validation leaves out.
export function plansSearch(search: Search): { plan?: string | undefined; next?: string | undefined } {
  return { plan: word(search['plan'], /^[\w-]{1,30}$/), next: safeNext(search['next']) }
}

interface ResultSearch {
  outcome?: 'success' | 'cancel' | undefined
  storefront?: StorefrontId | undefined
  plan?: string | undefined
}

export function resultSearch(search: Search): ResultSearch {
  const { outcome } = search
  return {
    outcome: outcome === 'success' || outcome === 'cancel' ? outcome : undefined,
    storefront: shopOf(search),
    plan: word(search['plan'], /^[\w-]{1,30}$/),
  }
}

interface StandingSearch {
  storefront?: StorefrontId | undefined
  month?: string | undefined
  done?: 'resumed' | 'downgraded' | undefined
}

export function standingSearch(search: Search): StandingSearch {
  const { done } = search
  return {
    storefront: shopOf(search),
    month: word(search['month'], /^20\d\d-(?:0[1-9]|1[0-2])$/),
    done: done === 'resumed' || done === 'downgraded' ? done : undefined,
  }
}

interface TopUpsSearch {
  choose?: string | undefined
  outcome?: 'success' | 'cancel' | undefined
  order?: string | undefined
}

export function topUpsSearch(search: Search): TopUpsSearch {
  const { outcome } = search
  return {
    outcome: outcome === 'success' || outcome === 'cancel' ? outcome : undefined,
    choose: word(search['choose'], /^[a-z]{1,30}$/),
    order: word(search['order'], /^ord_[0-9a-f]{32}$/),
  }
}

export function rewardsSearch(search: Search): { code?: string | undefined } {
  return { code: word(search['code'], /^[0-9A-Za-z]{8}$/) }
}

export function unitSearch(search: Search): { unit?: string | undefined } {
  return { unit: word(search['unit'], /^[\w.-]{1,50}$/) }
}
