import type { LedgerBalance, LedgerEntry } from '../../api/types'

export interface Movement {
  id: string
  at: string
  kind: string
  ref: string | null
  moves: { account: string; amount: number }[]
  // What was available once this movement had happened.
  after: number
}

// Entries arrive newest first, one row for each account and lot. They become one line per transfer, and walking back
// from today's balance tells what was available after each.
export function toMovements(entries: readonly LedgerEntry[], availableNow: number): Movement[] {
  const byTransfer = new Map<string, Movement>()
  for (const entry of entries) {
    let movement = byTransfer.get(entry.transfer_id)
    if (!movement) {
      movement = { id: entry.transfer_id, at: entry.at, kind: entry.kind, ref: entry.ref, moves: [], after: 0 }
      byTransfer.set(entry.transfer_id, movement)
    }
    const same = movement.moves.find((move) => move.account === entry.account)
    if (same) same.amount += entry.amount
    else movement.moves.push({ account: entry.account, amount: entry.amount })
  }
  let after = availableNow
  for (const movement of byTransfer.values()) {
    movement.after = after
    after -= movement.moves.find((move) => move.account === 'available')?.amount ?? 0
  }
  return [...byTransfer.values()]
}

export function balanceOf(balances: readonly LedgerBalance[], account: string): number {
  return balances.find((balance) => balance.account === account)?.balance ?? 0
}

export function sumOf(balances: readonly LedgerBalance[]): number {
  return balances.reduce((sum, { balance }) => sum + balance, 0)
}
