import { act, fireEvent, screen, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { Batch } from '../../api/batches'
import { json, me, openHouse, prepareHouse, press } from '../../shell/testHouse'
import { plan } from './fixtures'

prepareHouse()

const signedIn = { 'GET /auth/me': () => json(me()), 'GET /billing/plan': () => json(plan) }

function batch(part: Partial<Batch>): Batch {
  return {
    id: 'batch_1',
    endpoint: '/v1/chat/completions',
    status: 'in_progress',
    created_at: 1_790_000_000,
    output_file_id: null,
    error_file_id: null,
    request_counts: { total: 10, completed: 3, failed: 1 },
    errors: null,
    metadata: { filename: 'night.jsonl' },
    ...part,
  }
}

const listed = (...data: Batch[]) => json({ object: 'list', data, last_id: null, has_more: false })

test('a file becomes a batch, and what is missing is said before', async () => {
  const { bodies } = openHouse('/genai/batches', {
    ...signedIn,
    'GET /v1/batches': () => listed(),
    'POST /v1/files': () => json({ id: 'file_1' }),
    'POST /v1/batches': () => json(batch({ status: 'validating' })),
  })
  await screen.findByRole('heading', { name: 'バッチはまだありません' })
  press('実行する')
  await screen.findAllByText('ファイルを選んでください。')
  const file = new File(['{}\n'], '夜.jsonl', { type: 'application/jsonl' })
  act(() => {
    fireEvent.change(screen.getByLabelText(/JSONLファイル/), { target: { files: [file] } })
  })
  press('実行する')
  await screen.findByText('受け付けました。')
  expect(bodies['POST /v1/batches']).toEqual([
    {
      input_file_id: 'file_1',
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata: { filename: '夜.jsonl' },
    },
  ])
})

test('what goes on can be called off, and what is over can be fetched', async () => {
  const { bodies } = openHouse('/genai/batches', {
    ...signedIn,
    'GET /v1/batches': () =>
      listed(
        batch({}),
        batch({
          id: 'batch_0',
          status: 'completed',
          output_file_id: 'file_o',
          error_file_id: 'file_e',
          metadata: { filename: 'done.jsonl' },
        }),
      ),
    'POST /v1/batches/batch_1/cancel': () => json(batch({ status: 'cancelling' })),
  })
  await screen.findByText('実行中')
  expect(screen.getAllByText('10行のうち4行が終了、エラー1')).toHaveLength(2)
  expect(screen.getByRole('button', { name: '「done.jsonl」の結果を保存' })).toBeTruthy()
  expect(screen.getByRole('button', { name: '「done.jsonl」のエラーを保存' })).toBeTruthy()
  expect(screen.queryByRole('button', { name: '「done.jsonl」を中止' })).toBeNull()
  press('「night.jsonl」を中止')
  await screen.findByText(/まだ始まっていない行は実行されません/)
  press('中止')
  await waitFor(() => expect(bodies['POST /v1/batches/batch_1/cancel']).toHaveLength(1))
})
