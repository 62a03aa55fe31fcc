import { useMutation } from '@tanstack/react-query'
import { signInWithPasskey } from '../api/identity'
import type { Me } from '../api/types'
import { askPasskey } from '../api/webauthn'
import { Button } from '../ui/Button'
import { Icon } from '../ui/Icon'
import { Summary } from './form'

export function PasskeyButton({ label, onEntered }: { label: string; onEntered: (me: Me) => void }) {
  const enter = useMutation({ mutationFn: async () => signInWithPasskey(await askPasskey()), onSuccess: onEntered })
  return (
    <>
      <Summary error={enter.error} />
      <Button wide aria-disabled={enter.isPending || undefined} onClick={() => enter.isPending || enter.mutate()}>
        <Icon name="key" />
        {label}
      </Button>
    </>
  )
}
