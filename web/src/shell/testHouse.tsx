import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, RouterProvider } from '@tanstack/react-router'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { StrictMode } from 'react'
import { afterEach, beforeEach, vi } from 'vitest'
import type { Me, Role } from '../api/types'
import { leaveNothing } from './arrival'
import { takeHanded } from './handed'
import { createHouseRouter } from './router'

// The whole app over a house that answers what a test says. Only tests import this.
type Handler = (request: Request) => Response | Promise<Response>

export const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
export const problem = (status: number, code: string, more: object = {}) =>
  new Response(
    JSON.stringify({
      type: `urn:noren:problem:${code}`,
      code,
      status,
      title: code,
      text: { ja: `${code}です`, en: code },
      ...more,
    }),
    { status, headers: { 'content-type': 'application/problem+json' } },
  )
export const at = '2026-11-20T12:00:00Z'

export function me(more: Partial<Me> = {}, role: Role = 'owner', kind = 'person'): Me {
  const tenant = { id: `tnt_${kind}`, kind, name: kind === 'person' ? '' : '高橋家', role }
  return {
    user: {
      id: 'usr_1',
      email: 'a@example.jp',
      email_verified: true,
      display_name: 'あおい',
      locale: 'ja',
      operator: false,
      login_name: null,
    },
    tenant,
    tenants: [tenant],
    guest: false,
    permissions: ['usage.read', 'profile.manage', 'keys.manage', 'members.read', 'members.manage', 'audit.read'],
    signed_in_at: at,
    stepped_up_until: null,
    deletion_at: null,
    ...more,
  }
}
const house = {
  name: 'Noren',
  version: '1',
  demo: true,
  demo_logins: [],
  storefronts: [],
  readiness: [],
  seller: { name: 'Noren', registration_number: null, address: '' },
}
export function openHouse(path: string, routes: Record<string, Handler>) {
  const calls: string[] = []
  const bodies: Record<string, unknown[]> = {}
  const all: Record<string, Handler> = {
    'GET /house': () => json(house),
    'GET /auth/me': () => problem(401, 'unauthenticated'),
    'GET /auth/issuers': () => json({ items: [] }),
    ...routes,
  }
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input instanceof Request ? input : new URL(String(input), 'http://localhost'), init)
    const call = `${request.method} ${new URL(request.url).pathname}`
    calls.push(call)
    if (request.method !== 'GET') {
      const isForm = request.headers.get('content-type')?.startsWith('multipart/')
      const text = isForm ? '' : await request.clone().text()
      bodies[call] = [...(bodies[call] ?? []), text === '' ? null : JSON.parse(text)]
    }
    return all[call]?.(request) ?? problem(404, 'not_found')
  })
  window.history.replaceState(null, '', path)
  takeHanded()
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const history = createMemoryHistory({ initialEntries: [window.location.pathname + window.location.search] })
  const router = createHouseRouter(client, history)
  render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )
  return { calls, bodies, router, pathname: () => router.state.location.pathname }
}

export const type = (label: string | RegExp, value: string) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value } })
export const press = (name: string | RegExp) => fireEvent.click(screen.getByRole('button', { name }))

// Before and after each test of a file.
export function prepareHouse() {
  beforeEach(() => {
    vi.stubGlobal('scrollTo', () => undefined)
    // jsdom knows the element, and not yet how to open it.
    HTMLDialogElement.prototype.showModal ??= function showModal(this: HTMLDialogElement) {
      this.open = true
    }
  })
  afterEach(() => {
    cleanup()
    leaveNothing()
    vi.unstubAllGlobals()
  })
}
