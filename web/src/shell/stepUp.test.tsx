import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { act, cleanup, renderHook, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ApiError } from '../api/problem'
import { guarded, StepUpDeclined, useGuarded, useStepUpAsked } from './stepUp'

const refusal = (code: string) => new ApiError({ type: `urn:noren:problem:${code}`, code, status: 403, title: code })

afterEach(cleanup)

function asked() {
  return renderHook(() => useStepUpAsked())
}

describe('a change that needs a fresh proof', () => {
  test('is done again, once, after the proof', async () => {
    const dialog = asked()
    const deed = vi.fn().mockRejectedValueOnce(refusal('step_up_required')).mockResolvedValueOnce('done')
    const outcome = guarded(deed)
    await waitFor(() => expect(dialog.result.current).not.toBeNull())
    expect(deed).toHaveBeenCalledTimes(1)
    act(() => dialog.result.current?.proved())
    expect(await outcome).toBe('done')
    expect(deed).toHaveBeenCalledTimes(2)
    await waitFor(() => expect(dialog.result.current).toBeNull())
  })

  test('opens one dialog for all who ask at the same moment', async () => {
    const dialog = asked()
    const one = vi.fn().mockRejectedValueOnce(refusal('step_up_required')).mockResolvedValue(1)
    const two = vi.fn().mockRejectedValueOnce(refusal('step_up_required')).mockResolvedValue(2)
    const both = Promise.all([guarded(one), guarded(two)])
    await waitFor(() => expect(dialog.result.current).not.toBeNull())
    act(() => dialog.result.current?.proved())
    expect(await both).toEqual([1, 2])
    await waitFor(() => expect(dialog.result.current).toBeNull())
  })

  test('does not happen when the dialog is closed, and the next try asks anew', async () => {
    const dialog = asked()
    const deed = vi.fn().mockRejectedValue(refusal('step_up_required'))
    for (let n = 1; n <= 2; n += 1) {
      const outcome = guarded(deed).catch((error: unknown) => error)
      await waitFor(() => expect(dialog.result.current).not.toBeNull())
      act(() => dialog.result.current?.declined())
      expect(await outcome).toBeInstanceOf(StepUpDeclined)
      await waitFor(() => expect(dialog.result.current).toBeNull())
      expect(deed).toHaveBeenCalledTimes(n)
    }
  })

  test('does not ask a second time when the proof was not enough', async () => {
    const dialog = asked()
    const deed = vi.fn().mockRejectedValue(refusal('step_up_required'))
    const outcome = guarded(deed).catch((error: unknown) => error)
    await waitFor(() => expect(dialog.result.current).not.toBeNull())
    act(() => dialog.result.current?.proved())
    expect(await outcome).toBeInstanceOf(ApiError)
    expect(deed).toHaveBeenCalledTimes(2)
  })

  test('other refusals pass through without a dialog', async () => {
    const dialog = asked()
    await expect(guarded(() => Promise.reject(refusal('forbidden')))).rejects.toBeInstanceOf(ApiError)
    expect(dialog.result.current).toBeNull()
  })
})

describe('useGuarded', () => {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={new QueryClient()}>{children}</QueryClientProvider>
  )

  test('reports a closed dialog as nothing, and a real failure as an error', async () => {
    const dialog = asked()
    const mutationFn = vi.fn().mockRejectedValueOnce(refusal('step_up_required')).mockRejectedValueOnce(refusal('gone'))
    const deed = renderHook(() => useGuarded({ mutationFn }), { wrapper })
    act(() => deed.result.current.mutate())
    await waitFor(() => expect(dialog.result.current).not.toBeNull())
    expect(deed.result.current.isPending).toBe(true)
    act(() => dialog.result.current?.declined())
    await waitFor(() => expect(deed.result.current.isPending).toBe(false))
    expect(deed.result.current.error).toBeNull()
    act(() => deed.result.current.mutate())
    await waitFor(() => expect(deed.result.current.error).toBeInstanceOf(ApiError))
  })
})
