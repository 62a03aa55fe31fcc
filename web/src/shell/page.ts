import { useEffect, useLayoutEffect } from 'react'
import type { StorefrontId } from '../api/types'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { tintBrowser } from './scheme'

export function usePageTitle(title: string | null): void {
  const { house } = useWords(shellWords)
  useEffect(() => {
    document.title = title === null ? house : `${title} | ${house}`
  }, [title, house])
}

// Stepping through a curtain changes the whole room, the ground behind the page included.
export function useRoom(storefront: StorefrontId): void {
  useLayoutEffect(() => {
    document.documentElement.dataset['storefront'] = storefront
    tintBrowser()
    return () => {
      delete document.documentElement.dataset['storefront']
      tintBrowser()
    }
  }, [storefront])
}
