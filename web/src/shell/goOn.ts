import { useRouter } from '@tanstack/react-router'
import { isServerPath, safeNext } from './paths'

// Goes on to a path of this house, with its query and fragment, and to the entrance instead of anywhere else.
export function useGoOn(): (path: string) => void {
  const router = useRouter()
  return (wanted) => {
    const path = safeNext(wanted) ?? '/'
    if (isServerPath(path)) window.location.assign(path)
    else router.history.push(path)
  }
}
