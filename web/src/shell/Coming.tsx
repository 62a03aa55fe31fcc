import { Link } from '@tanstack/react-router'
import { comingWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Badge } from '../ui/Badge'
import { buttonClass } from '../ui/Button'
import { Noren } from '../ui/Noren'
import styles from './coming.module.css'
import { usePageTitle, useRoom } from './page'

// A shop that is not open says so, and shows only what is planned: no numbers, no dates, no form that leads nowhere.
export function Coming({ id }: { id: 'webgpt' | 'narai' }) {
  const words = useWords(comingWords)
  useRoom(id)
  usePageTitle(`${words[`${id}Title`]} (${words.status})`)
  return (
    <div className={styles['coming']}>
      <Noren characters="準備中" cloth={id} size="large" />
      <div className={styles['text']}>
        <Badge tone="warn">{words.status}</Badge>
        <h1>{words[`${id}Title`]}</h1>
        <p className={styles['lead']}>{words[`${id}Lead`]}</p>
        <p className={styles['honest']}>{words.honest}</p>
        <section className={styles['planned']}>
          <h2>{words.planned}</h2>
          <ul>
            <li>{words[`${id}1`]}</li>
            <li>{words[`${id}2`]}</li>
            <li>{words[`${id}3`]}</li>
          </ul>
        </section>
        <div className={styles['links']}>
          <Link to="/" className={buttonClass({ look: 'primary' })}>
            {words.back}
          </Link>
          <Link to="/misaki" className={buttonClass({ look: 'plain' })}>
            {words.meanwhile}
          </Link>
        </div>
      </div>
    </div>
  )
}
