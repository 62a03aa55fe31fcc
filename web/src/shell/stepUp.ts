import { useMutation } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { hasCode } from '../api/problem'
import { createStore } from '../i18n/store'

// Someone closed the dialog: what they were about to do does not happen, and nothing went wrong.
export class StepUpDeclined extends Error {
  override readonly name = 'StepUpDeclined'
}

export interface StepUpAsked {
  proved: () => void
  declined: () => void
}

const asked = createStore<StepUpAsked | null>(null)
let open: Promise<void> | null = null

// Those who ask at the same moment share one dialog.
function askForProof(): Promise<void> {
  open ??= new Promise<void>((resolve, reject) => {
    asked.set({ proved: resolve, declined: () => reject(new StepUpDeclined()) })
  }).finally(() => {
    open = null
    asked.set(null)
  })
  return open
}

export function useStepUpAsked(): StepUpAsked | null {
  return useSyncExternalStore(asked.subscribe, asked.get)
}

// Does it; when the house wants a fresh proof first, asks for one and does it again, once.
export async function guarded<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!hasCode(error, 'step_up_required')) throw error
    await askForProof()
    return act()
  }
}

interface Deed<Answer, Facts> {
  mutationFn: (facts: Facts) => Promise<Answer>
  onSuccess?: (answer: Answer, facts: Facts) => unknown
  onSettled?: () => unknown
}

export function useGuarded<Answer, Facts = void>({ mutationFn, ...rest }: Deed<Answer, Facts>) {
  const mutation = useMutation<Answer, Error, Facts>({
    ...rest,
    mutationFn: (facts) => guarded(() => mutationFn(facts)),
  })
  const { mutate, reset, data, isPending, isSuccess, variables } = mutation
  const error = mutation.error instanceof StepUpDeclined ? null : mutation.error
  return { mutate, reset, data, isPending, isSuccess, variables, error }
}
