import { renderHook } from '@testing-library/react'
import { beforeEach, describe, expect, test } from 'vitest'
import { takeHanded, useHanded } from './handed'

const token = (path: string) => renderHook(() => useHanded(path)).result.current.token

beforeEach(() => window.history.replaceState(null, '', '/'))

describe('what a mailed link hands over', () => {
  test('leaves the address bar at once and stays in memory, for its own page only', () => {
    window.history.replaceState(null, '', '/link/reset#s3cret_Token-1')
    takeHanded()
    expect(window.location.href).not.toContain('s3cret')
    expect(window.location.pathname).toBe('/link/reset')
    expect(token('/link/reset')).toBe('s3cret_Token-1')
    expect(token('/link/verify')).toBe('')
    expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain('s3cret')
  })

  test('is replaced by that of a newer link, and outlives a page that hands nothing over', () => {
    window.history.replaceState(null, '', '/link/invite#one')
    takeHanded()
    window.history.replaceState(null, '', '/sign-in')
    takeHanded()
    expect(token('/link/invite')).toBe('one')
    window.history.replaceState(null, '', '/link/invite/#two')
    takeHanded()
    expect(token('/link/invite')).toBe('two')
  })

  test('an issuer’s answer is taken as it was written, digits included', () => {
    window.history.replaceState(null, '', '/auth/callback?code=00123&state=1e5')
    takeHanded()
    expect(window.location.search).toBe('')
    const { query } = renderHook(() => useHanded('/auth/callback')).result.current
    expect([query.get('code'), query.get('state')]).toEqual(['00123', '1e5'])
  })

  test('other pages keep their fragments', () => {
    window.history.replaceState(null, '', '/account?x=1#main')
    takeHanded()
    expect(window.location.hash).toBe('#main')
  })
})
