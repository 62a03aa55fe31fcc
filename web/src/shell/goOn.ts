import { useRouter } from '@tanstack/react-router'
import { isServerPath } from './paths'

// Goes on to a path that safeNext has let through, with its query and fragment.
export function useGoOn(): (path: string) => void {
  const router = useRouter()
  return (path) => {
    if (isServerPath(path)) window.location.assign(path)
    else router.history.push(path)
  }
}
