import { Link } from '@tanstack/react-router'
import type { JobStatistics } from '../../api/admin'
import { jobDeskWords } from '../../i18n/adminWords'
import { count } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Table } from './parts'

export function Statistics({ items }: { items: readonly JobStatistics[] }) {
  const words = useWords(jobDeskWords)
  const locale = useLocale()
  if (items.length === 0) return <p className={account['soft']}>{words.noStatistics}</p>
  const wait = (seconds: number) =>
    seconds < 120
      ? words.seconds(count(Math.round(seconds), locale))
      : words.minutes(count(Math.round(seconds / 60), locale))
  const columns: Column<JobStatistics>[] = [
    {
      id: 'kind',
      head: words.kind,
      cell: ({ kind }) => (
        <Link to="/admin/desk/jobs" search={{ kind }}>
          {kind}
        </Link>
      ),
    },
    { id: 'ready', head: words.ready, figure: true, cell: ({ ready }) => count(ready, locale) },
    { id: 'running', head: words.running, figure: true, cell: ({ running }) => count(running, locale) },
    {
      id: 'dead',
      head: words.dead,
      figure: true,
      cell: ({ kind, dead }) =>
        dead === 0 ? (
          count(0, locale)
        ) : (
          <Link to="/admin/desk/jobs" search={{ kind, state: 'dead' }} className={account['bad']}>
            {count(dead, locale)}
          </Link>
        ),
    },
    {
      id: 'oldest',
      head: words.oldest,
      figure: true,
      cell: ({ oldest_ready_seconds: secs }) => (secs === null ? '–' : wait(secs)),
    },
  ]
  return <Table label={words.statistics} columns={columns} rows={items} keyOf={({ kind }) => kind} />
}
