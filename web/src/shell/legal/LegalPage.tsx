import { useQuery } from '@tanstack/react-query'
import { Link, useLocation } from '@tanstack/react-router'
import { houseQuery } from '../../api/queries'
import { shopWords } from '../../i18n/billingWords'
import { legalWords } from '../../i18n/legalWords'
import { useWords } from '../../i18n/text'
import { Notice } from '../../ui/Notice'
import { usePageTitle } from '../page'
import styles from './legal.module.css'

const pages = {
  terms: { title: 'termsTitle', parts: ['t1', 't2', 't3', 't4', 't5', 't6', 't7'] },
  privacy: { title: 'privacyTitle', parts: ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'] },
  tokushoho: {
    title: 'tokushohoTitle',
    parts: ['s1', 's2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11', 's12'],
  },
} as const

// Terms, privacy and the seller's page: honest about what the software does, and open about what only its operator can say.
export default function LegalPage() {
  const words = useWords(legalWords)
  const shops = useWords(shopWords)
  const path = useLocation({ select: ({ pathname }) => pathname })
  const id = path.includes('privacy') ? 'privacy' : path.includes('tokushoho') ? 'tokushoho' : 'terms'
  const { title, parts } = pages[id]
  const seller = useQuery({ ...houseQuery, enabled: id === 'tokushoho' }).data?.seller
  // What the operator has set stands in the place of the template's brackets.
  const known: Partial<Record<string, string>> = seller?.address
    ? { s1: seller.name, s2: seller.registration_number ?? '—', s3: seller.address }
    : {}
  usePageTitle(words[title])
  return (
    <article className={styles['legal']}>
      <nav aria-label={words.navigation}>
        <Link to="/legal/terms">{words.termsTitle}</Link>
        <Link to="/legal/privacy">{words.privacyTitle}</Link>
        <Link to="/legal/tokushoho">{words.tokushohoTitle}</Link>
      </nav>
      <h1>{words[title]}</h1>
      <Notice tone="warn" title={words.template}>
        <p>{words.templateText}</p>
      </Notice>
      {id === 'tokushoho' && <p>{words.tokushohoLead}</p>}
      {parts.map((part) => (
        <section key={part}>
          <h2>{words[part]}</h2>
          <p>{known[part] ?? words[`${part}Text`]}</p>
          {part === 's6' && (
            <ul className={styles['shops']}>
              {(['misaki', 'genai'] as const).map((storefront) => (
                <li key={storefront}>
                  <Link to="/plans/$storefront" params={{ storefront }}>
                    {shops[storefront]}
                  </Link>
                </li>
              ))}
            </ul>
          )}
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
