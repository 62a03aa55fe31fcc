import { Link, useLocation } from '@tanstack/react-router'
import { legalWords } from '../../i18n/legalWords'
import { useWords } from '../../i18n/text'
import { Notice } from '../../ui/Notice'
import { usePageTitle } from '../page'
import styles from './legal.module.css'

const pages = {
  terms: { title: 'termsTitle', parts: ['t1', 't2', 't3', 't4', 't5', 't6', 't7'] },
  privacy: { title: 'privacyTitle', parts: ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'] },
} as const

// Terms and privacy: honest about what the software does, and open about what only its operator can say.
export default function LegalPage() {
  const words = useWords(legalWords)
  const path = useLocation({ select: ({ pathname }) => pathname })
  const id = path.includes('privacy') ? 'privacy' : 'terms'
  const { title, parts } = pages[id]
  usePageTitle(words[title])
  return (
    <article className={styles['legal']}>
      <nav aria-label={words.navigation}>
        <Link to="/legal/terms">{words.termsTitle}</Link>
        <Link to="/legal/privacy">{words.privacyTitle}</Link>
      </nav>
      <h1>{words[title]}</h1>
      <Notice tone="warn" title={words.template}>
        <p>{words.templateText}</p>
      </Notice>
      {parts.map((part) => (
        <section key={part}>
          <h2>{words[part]}</h2>
          <p>{words[`${part}Text`]}</p>
        </section>
      ))}
      {id === 'privacy' && (
        <p>
          <Link to="/account/data">{words.yourData}</Link>
        </p>
      )}
      <p className={styles['soft']}>{words.effective}</p>
    </article>
  )
}
