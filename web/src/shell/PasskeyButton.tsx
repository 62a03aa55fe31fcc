import { useMutation } from '@tanstack/react-query'
import { signInWithPasskey } from '../api/identity'
import type { Me } from '../api/types'
import { askPasskey } from '../api/webauthn'
import { Button } from '../ui/Button'
import { Icon } from '../ui/Icon'
import { Summary } from './form'

interface Props {
  label: string
  onEntered: (me: Me) => void
  // Another passkey is on its way to the house already.
  busy?: boolean
  onFailed?: () => void
}

export function PasskeyButton({ label, onEntered, busy = false, onFailed }: Props) {
  const enter = useMutation({
    mutationFn: async () => signInWithPasskey(await askPasskey()),
    onSuccess: onEntered,
    onError: () => onFailed?.(),
  })
  const waiting = busy || enter.isPending
  return (
    <>
      <Summary error={enter.error} />
      <Button wide aria-disabled={waiting || undefined} onClick={() => waiting || enter.mutate()}>
        <Icon name="key" />
        {label}
      </Button>
    </>
  )
}
