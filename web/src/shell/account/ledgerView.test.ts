import { describe, expect, test } from 'vitest'
import type { LedgerEntry } from '../../api/types'
import { balanceOf, sumOf, toMovements } from './ledgerView'

const entry = (transfer: string, kind: string, account: string, amount: number, lot = 'lot_1'): LedgerEntry => ({
  transfer_id: transfer,
  at: '2026-11-20T00:00:00Z',
  kind,
  account,
  unit: 'misaki.chat',
  amount,
  lot_id: lot,
  ref: 'test',
})

describe('the ledger', () => {
  test('is one line per transfer, each with what was left after it', () => {
    const movements = toMovements(
      [
        entry('t3', 'settle', 'held', -2),
        entry('t3', 'settle', 'spent', 2),
        entry('t2', 'hold', 'available', -1, 'lot_1'),
        entry('t2', 'hold', 'available', -1, 'lot_2'),
        entry('t2', 'hold', 'held', 1, 'lot_1'),
        entry('t2', 'hold', 'held', 1, 'lot_2'),
        entry('t1', 'grant', 'available', 10),
        entry('t1', 'grant', 'issued', -10),
      ],
      8,
    )
    expect(movements.map(({ id, after }) => [id, after])).toEqual([
      ['t3', 8],
      ['t2', 8],
      ['t1', 10],
    ])
    expect(movements[1]?.moves).toEqual([
      { account: 'available', amount: -2 },
      { account: 'held', amount: 2 },
    ])
    for (const { moves } of movements) expect(moves.reduce((sum, move) => sum + move.amount, 0)).toBe(0)
  })

  test('adds its balances up', () => {
    const balances = ['available', 'held', 'spent', 'issued'].map((account, at) => ({
      account,
      unit: 'misaki.chat',
      balance: [8, 0, 2, -10][at] ?? 0,
    }))
    expect(sumOf(balances)).toBe(0)
    expect(balanceOf(balances, 'spent')).toBe(2)
    expect(balanceOf(balances, 'expired')).toBe(0)
  })
})
