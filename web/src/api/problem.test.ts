import { describe, expect, test } from 'vitest'
import { ApiError, describeProblem, hasCode, toProblem, Unreachable, unwrap } from './problem'
import type { Problem } from './types'

const taken: Problem = {
  type: 'urn:noren:problem:email_taken',
  code: 'email_taken',
  status: 409,
  title: 'Email taken',
  detail: 'このメールアドレスは使われています。',
  text: { ja: 'このメールアドレスは使われています。', en: 'This address is in use.' },
  request_id: 'req_1',
  errors: [
    { pointer: '/email', code: 'email_taken', text: { ja: '別のものを入れてください。', en: 'Use another one.' } },
  ],
}

describe('a problem on screen', () => {
  test('speaks the language of the page, by summary and by field', () => {
    expect(describeProblem(new ApiError(taken), 'ja')).toMatchObject({
      summary: 'このメールアドレスは使われています。',
      fields: { email: '別のものを入れてください。' },
    })
    expect(describeProblem(new ApiError(taken), 'en')).toMatchObject({
      summary: 'This address is in use.',
      fields: { email: 'Use another one.' },
    })
  })

  test('shows a request id for our own trouble only', () => {
    expect(describeProblem(new ApiError(taken), 'ja').requestId).toBeNull()
    const ours = new ApiError({ ...taken, code: 'internal', status: 500 })
    expect(describeProblem(ours, 'ja').requestId).toBe('req_1')
  })

  test('falls back to the detail, then to plain words', () => {
    const { text: _, ...noText } = taken
    expect(describeProblem(new ApiError(noText), 'en').summary).toBe('このメールアドレスは使われています。')
    const { detail: __, ...bare } = noText
    expect(describeProblem(new ApiError(bare), 'en').summary).toMatch(/did not work/)
  })

  test('says that the house cannot be reached, without foreign stack text', () => {
    for (const locale of ['ja', 'en'] as const) {
      const view = describeProblem(new Unreachable('x', { cause: new TypeError('Failed to fetch') }), locale)
      expect(view.summary).not.toContain('fetch')
      expect(view.code).toBe('unreachable')
    }
  })

  test('follows suggestions inside of the house only', () => {
    const suggest = (url: string) =>
      describeProblem(
        new ApiError({ ...taken, suggestion: { plan: 'free', title: { ja: '無料', en: 'Free' }, url } }),
        'ja',
      ).suggestion
    expect(suggest('/sign-up')).toEqual({ plan: 'free', title: '無料', url: '/sign-up' })
    expect(suggest('https://elsewhere.example/')).toBeNull()
    expect(suggest('//elsewhere.example/')).toBeNull()
  })
})

describe('an answer that is not a problem document', () => {
  test('becomes a problem with a code and the wait that was asked for', () => {
    const gateway = new Response('<html>', { status: 502, headers: { 'retry-after': '5' } })
    expect(toProblem('<html>', gateway)).toMatchObject({ code: 'upstream_unavailable', status: 502, retry_after: 5 })
    expect(toProblem(undefined, new Response(null, { status: 418 })).code).toBe('unexpected')
  })
})

describe('unwrap', () => {
  test('returns data, throws problems, and tells silence from answers', async () => {
    const ok = Promise.resolve({ data: 1, response: new Response('1') })
    expect(await unwrap(ok)).toBe(1)
    const refused = Promise.resolve({ error: taken, response: new Response('{}', { status: 409 }) })
    const error: unknown = await unwrap(refused).catch((thrown: unknown) => thrown)
    expect(hasCode(error, 'email_taken')).toBe(true)
    await expect(unwrap(Promise.reject(new TypeError('Failed to fetch')))).rejects.toBeInstanceOf(Unreachable)
  })

  test('takes an empty failure for a failure', async () => {
    const empty = Promise.resolve({ response: new Response(null, { status: 503 }) })
    await expect(unwrap(empty)).rejects.toBeInstanceOf(ApiError)
  })
})
