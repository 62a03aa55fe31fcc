import { useMutation } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { signInWithPasskey } from '../api/identity'
import type { Me } from '../api/types'
import { offerPasskey } from '../api/webauthn'

// Offers passkeys among the suggestions for as long as the page is open, and anew when a choice came too late to count or
// another way was tried in vain.
export function usePasskeyOffer(onEntered: (me: Me) => void) {
  const [round, setRound] = useState(0)
  const again = () => setRound((count) => count + 1)
  const { mutate, error, isPending, isSuccess } = useMutation({
    mutationFn: signInWithPasskey,
    onSuccess: onEntered,
    onError: again,
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round is an offer of its own
  useEffect(() => {
    const page = new AbortController()
    void offerPasskey(page.signal).then((signed) => {
      if (signed && !page.signal.aborted) mutate(signed)
    })
    return () => page.abort()
  }, [mutate, round])
  return { error, taken: isPending || isSuccess, again }
}
