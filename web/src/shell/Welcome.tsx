import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { CSSProperties } from 'react'
import { describeProblem } from '../api/problem'
import { houseQuery } from '../api/queries'
import type { House, StorefrontId } from '../api/types'
import { useLocale } from '../i18n/locale'
import { shellWords, welcomeWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import { cx } from '../ui/css'
import { Icon } from '../ui/Icon'
import { Meter } from '../ui/Meter'
import { Notice } from '../ui/Notice'
import { Skeleton } from '../ui/Skeleton'
import { DemoLogins } from './DemoLogins'
import { usePageTitle } from './page'
import styles from './welcome.module.css'

const shops = [
  { id: 'misaki', mark: '酒' },
  { id: 'webgpt', mark: '答' },
  { id: 'genai', mark: '算' },
  { id: 'narai', mark: '習' },
] as const satisfies readonly { id: StorefrontId; mark: string }[]

function Curtain({ id, mark, open }: { id: StorefrontId; mark: string; open: boolean }) {
  const words = useWords(welcomeWords)
  const locale = useLocale()
  const cloth = { '--cloth': `var(--cloth-${id})`, '--cloth-ink': `var(--cloth-${id}-ink)` } as CSSProperties
  return (
    <li>
      <Link
        to={`/${id}`}
        viewTransition={{ types: ['lift'] }}
        lang={locale}
        className={cx(styles['curtain'], !open && styles['closed'])}
        style={cloth}
      >
        <span className={styles['tag']}>{open ? words.open : words.coming}</span>
        <span className={styles['mark']} lang="ja" aria-hidden="true">
          {mark}
        </span>
        <h2>{words[id]}</h2>
        <p>{words[`${id}Text`]}</p>
        <span className={styles['go']}>
          {open && (id === 'misaki' || id === 'genai') ? words[`${id}Go`] : words.comingGo}
        </span>
      </Link>
    </li>
  )
}

function Readiness({ readiness }: { readiness: House['readiness'] }) {
  const words = useWords(welcomeWords)
  const locale = useLocale()
  const ready = readiness.filter((item) => item.ready).length
  const said = words.readinessCount(ready, readiness.length)
  return (
    <section className={styles['card']}>
      <h2>
        {words.readiness} <span>{said}</span>
      </h2>
      <Meter value={ready} max={readiness.length} label={words.readiness} words={said} />
      <p>{words.readinessText}</p>
      <ul className={styles['checks']}>
        {readiness.map((item) => (
          <li key={item.id} data-ready={item.ready}>
            <i>{item.ready && <Icon name="check" size={14} />}</i>
            <span>{item.text[locale]}</span>
            <em>{item.ready ? words.done : words.notYet}</em>
          </li>
        ))}
      </ul>
    </section>
  )
}

export function Welcome() {
  const words = useWords(welcomeWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const house = useQuery(houseQuery)
  usePageTitle(null)
  // Until the house has answered, Misaki's curtain is the one that leads somewhere.
  const isOpen = (id: StorefrontId) => house.data?.storefronts.find((shop) => shop.id === id)?.open ?? id === 'misaki'
  return (
    <>
      <h1 className={styles['title']}>{words.title}</h1>
      <p className={styles['lead']}>{words.lead}</p>
      <nav aria-label={words.shops}>
        <ul className={styles['curtains']}>
          {shops.map((shop) => (
            <Curtain key={shop.id} {...shop} open={isOpen(shop.id)} />
          ))}
        </ul>
      </nav>
      <div className={styles['below']}>
        {house.isPending && <Skeleton height="16rem" />}
        {house.error && (
          <Notice
            tone="bad"
            role="status"
            title={words.houseAway}
            actions={
              <Button small onClick={() => house.refetch()}>
                <Icon name="retry" size={16} />
                {shell.retry}
              </Button>
            }
          >
            <p>{describeProblem(house.error, locale).summary}</p>
          </Notice>
        )}
        {house.data?.demo && <DemoLogins logins={house.data.demo_logins} />}
        {house.data && house.data.readiness.length > 0 && <Readiness readiness={house.data.readiness} />}
      </div>
    </>
  )
}
