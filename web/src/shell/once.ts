import { useMutation } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'

// Does something when its page opens, once for each key, however often the page is drawn. Nothing happens without a key.
export function useOnce<T>(key: string | null, act: () => Promise<T>) {
  const done = useRef<string | null>(null)
  const { mutate, ...state } = useMutation({ mutationFn: act })
  useEffect(() => {
    if (key === null || done.current === key) return
    done.current = key
    mutate()
  }, [key, mutate])
  return { ...state, again: () => mutate() }
}
