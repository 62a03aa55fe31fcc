import { lazy, Suspense } from 'react'
import { useStepUpAsked } from './stepUp'

const StepUpDialog = lazy(async () => ({ default: (await import('./StepUpDialog')).StepUpDialog }))

// The one dialog for every change that the house wants a fresh proof for. It opens by itself.
export function StepUpHost() {
  const asked = useStepUpAsked()
  if (!asked) return null
  return (
    <Suspense fallback={null}>
      <StepUpDialog asked={asked} />
    </Suspense>
  )
}
