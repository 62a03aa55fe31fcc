import { useNavigate, useSearch } from '@tanstack/react-router'
import { getFeedback, reasons, type Verdict } from '../../api/misaki'
import { dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { verdictDeskWords } from '../../i18n/misakiDeskWords'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Page } from '../account/parts'
import { Choose, Filters, Pieces, usePieces } from './parts'
import styles from './phrases.module.css'

// What guests thought of answers.
export function Verdicts() {
  const words = useWords(verdictDeskWords)
  const room = useWords(roomWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const search = useSearch({ from: '/house/admin/desk/feedback' })
  const pieces = usePieces(['feedback', search], (cursor) => getFeedback(search, cursor))
  const choose = (part: typeof search) => navigate({ to: '/admin/desk/feedback', search: { ...search, ...part } })
  const columns: Column<Verdict>[] = [
    {
      id: 'liked',
      head: words.judgement,
      cell: ({ liked }) => <Badge tone={liked ? 'accent' : 'warn'}>{liked ? words.good : words.bad}</Badge>,
    },
    { id: 'reason', head: words.reason, cell: ({ reason }) => reason && room[`reason_${reason}`] },
    { id: 'by', head: words.by, cell: ({ canned_id, model }) => (canned_id ? words.phrase(canned_id) : model) },
    { id: 'words', head: words.words, long: true, cell: ({ text }) => text },
    {
      id: 'talk',
      head: words.talk,
      long: true,
      cell: ({ question, answer }) =>
        (question !== null || answer !== null) && (
          <span className={styles['talk']}>
            <span>{question}</span>
            <span className={styles['answer']}>{answer}</span>
          </span>
        ),
    },
    { id: 'at', head: words.at, cell: ({ at }) => <time dateTime={at}>{dayAndTime(at, locale)}</time> },
  ]
  return (
    <Page title={words.title} lead={words.lead}>
      <section className={account['card']}>
        <Filters>
          <Choose
            label={words.judgement}
            value={search.liked}
            options={[
              { value: 'true', text: words.good },
              { value: 'false', text: words.bad },
            ]}
            onChange={(liked) => choose({ liked })}
          />
          <Choose
            label={words.reason}
            value={search.reason}
            options={reasons.map((value) => ({ value, text: room[`reason_${value}`] }))}
            onChange={(reason) => choose({ reason })}
          />
        </Filters>
        <Pieces
          pieces={pieces}
          label={words.list}
          columns={columns}
          keyOf={({ message_id }) => message_id}
          empty={<Empty title={words.empty} text={words.emptyText} />}
        />
      </section>
    </Page>
  )
}
