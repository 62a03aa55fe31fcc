import { useQueryClient } from '@tanstack/react-query'
import { type DeskModel, getModelDesk, getModelVersions, type PlanHistory } from '../../api/admin'
import type { ModelStatus } from '../../api/genai'
import { hasCode, Told } from '../../api/problem'
import { modelDeskWords } from '../../i18n/modelDeskWords'

export const modelDeskQuery = { queryKey: ['admin', 'models'], queryFn: getModelDesk, refetchInterval: 10_000 }
export const modelVersionsQuery = { queryKey: ['admin', 'models', 'versions'], queryFn: getModelVersions }

export interface Line extends DeskModel {
  status: ModelStatus | undefined
  // Those whose own routes lead to it.
  plans: PlanHistory[]
}

// Every model in force, with the plans that lead to it and how its last hour was.
export function modelLines(
  models: readonly DeskModel[],
  plans: readonly PlanHistory[],
  statuses: readonly ModelStatus[],
): Line[] {
  return models.map((model) => ({
    ...model,
    status: statuses.find((status) => status.model === model.name),
    plans: plans.filter((plan) => Object.values(plan.versions[0]?.routes ?? {}).includes(model.name)),
  }))
}

// The price that holds, and the day from which another one will.
export function pricesOf({ prices }: Pick<DeskModel, 'prices'>) {
  const now = prices.find(({ holds }) => holds)
  const later = prices.filter(({ from }) => from !== null && (!now?.from || from > now.from)).at(-1)
  return { now, later: later?.from ?? undefined }
}

// Whoever works on a version that is no longer in force is told, and sees the one that is.
export function useModelDesk() {
  const client = useQueryClient()
  const refresh = () => client.invalidateQueries({ queryKey: modelDeskQuery.queryKey })
  return {
    refresh,
    guard: async <T>(act: Promise<T>): Promise<T> => {
      try {
        return await act
      } catch (error) {
        if (!hasCode(error, 'models_changed')) throw error
        await refresh()
        throw new Told(modelDeskWords.stale)
      }
    },
  }
}
