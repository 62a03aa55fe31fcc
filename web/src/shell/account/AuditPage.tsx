import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { auditQuery, meQuery } from '../../api/queries'
import { actionName, actorName } from '../../i18n/actionWords'
import { dayAndTime } from '../../i18n/format'
import { auditWords } from '../../i18n/keyWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import styles from './account.module.css'
import area from './area.module.css'
import { Fetched, More, Page } from './parts'

function pretty(value: unknown, nothing: string): string {
  return value === null || value === undefined ? nothing : JSON.stringify(value, null, 2)
}

export default function AuditPage() {
  const words = useWords(auditWords)
  const locale = useLocale()
  const query = useInfiniteQuery(auditQuery)
  const { data: me } = useQuery(meQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <section className={styles['card']}>
        <nav className={styles['row']} aria-label={words.exportAs}>
          <a className={buttonClass({ small: true })} href="/audit/export?format=csv" download>
            <Icon name="down" size={16} />
            {words.csv}
          </a>
          <a className={buttonClass({ small: true })} href="/audit/export?format=jsonl" download>
            <Icon name="down" size={16} />
            {words.jsonl}
          </a>
        </nav>
        <Fetched query={query} height="20rem">
          {(data) => {
            const rows = data.pages.flatMap((page) => page.items)
            if (rows.length === 0) return <p className={styles['soft']}>{words.empty}</p>
            return (
              <ol className={area['things']}>
                {rows.map((row) => (
                  <li key={row.id}>
                    <div className={area['thing']}>
                      <b>{actionName(row.action, locale)}</b>
                      <span className={area['facts']}>
                        <time dateTime={row.at}>{dayAndTime(row.at, locale)}</time>
                        <span>
                          {words.who} {actorName(row.actor, me?.user?.id, locale)}
                        </span>
                      </span>
                      <details className={area['details']}>
                        <summary>{words.details}</summary>
                        <span className={area['facts']}>
                          <span>
                            {words.action} <code>{row.action}</code>
                          </span>
                          <span>
                            {words.who} <code>{row.actor}</code>
                          </span>
                          <span>
                            {words.target} <code>{row.target}</code>
                          </span>
                        </span>
                        {(row.before !== null || row.after !== null) && (
                          <div className={area['changes']}>
                            <div>
                              <small>{words.before}</small>
                              <pre>{pretty(row.before, words.nothing)}</pre>
                            </div>
                            <div>
                              <small>{words.after}</small>
                              <pre>{pretty(row.after, words.nothing)}</pre>
                            </div>
                          </div>
                        )}
                      </details>
                    </div>
                  </li>
                ))}
              </ol>
            )
          }}
        </Fetched>
        <More query={query} />
      </section>
    </Page>
  )
}
