import { Link } from '@tanstack/react-router'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { buttonClass } from '../ui/Button'
import { Noren } from '../ui/Noren'
import { Frame } from './Frame'
import styles from './house.module.css'
import { usePageTitle } from './page'

// For pages that have the frame around them already.
export function NoPage() {
  const words = useWords(shellWords)
  usePageTitle(words.closedTitle)
  return (
    <div className={styles['centre']}>
      <Noren characters="本日休業" size="large" />
      <h1>{words.closedTitle}</h1>
      <p>{words.closedText}</p>
      <Link to="/" className={buttonClass({ look: 'primary' })}>
        {words.home}
      </Link>
    </div>
  )
}

export function NotFound() {
  return (
    <Frame>
      <NoPage />
    </Frame>
  )
}

// The last catch: a page that broke while it was drawn, or whose files could not be loaded.
export function Broken() {
  const words = useWords(shellWords)
  usePageTitle(words.brokenTitle)
  return (
    <Frame>
      <div className={styles['centre']} role="alert">
        <Noren characters="暖簾" />
        <h1>{words.brokenTitle}</h1>
        <p>{words.brokenText}</p>
        <button type="button" className={buttonClass({ look: 'primary' })} onClick={() => window.location.reload()}>
          {words.reload}
        </button>
      </div>
    </Frame>
  )
}
