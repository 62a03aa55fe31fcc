import type { ModelDesk, TargetPulse } from '../../api/admin'
import { count, dayAndTime } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { modelDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { duration, percent } from '../../storefronts/genai/format'
import { Badge } from '../../ui/Badge'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import styles from './admin.module.css'
import { Table } from './parts'

interface Row {
  provider: string
  // None for the provider as a whole.
  model: string | null
  pulse: TargetPulse
}

// Each provider, and below it those of its targets that were asked.
export function pulseRows({ providers, models }: ModelDesk): Row[] {
  return providers.flatMap(({ provider, pulse }) => {
    const rows = new Map<string, Row>()
    for (const target of models.flatMap(({ targets }) => targets)) {
      if (target.provider === provider && target.pulse)
        rows.set(target.model, { provider, model: target.model, pulse: target.pulse })
    }
    return [{ provider, model: null, pulse }, ...rows.values()]
  })
}

// How the last hour was at each target, from real traffic.
export function ModelPulse({ desk }: { desk: ModelDesk }) {
  const words = useWords(modelDeskWords)
  const locale = useLocale()
  const columns: Column<Row>[] = [
    {
      id: 'target',
      head: words.target,
      cell: ({ provider, model }) =>
        model === null ? <b>{words.allOf(provider)}</b> : <span>{`${provider} / ${model}`}</span>,
    },
    { id: 'calls', head: words.calls, figure: true, cell: ({ pulse }) => count(pulse.calls, locale) },
    {
      id: 'failed',
      head: words.failed,
      figure: true,
      cell: ({ pulse: { calls, failed } }) =>
        failed === 0 ? '0' : `${count(failed, locale)} (${percent(failed / calls)})`,
    },
    {
      id: 'first',
      head: words.firstWord,
      figure: true,
      cell: ({ pulse }) =>
        `${duration(pulse.first_word_p50_ms, locale)} / ${duration(pulse.first_word_p95_ms, locale)}`,
    },
    {
      id: 'state',
      head: words.state,
      cell: ({ pulse }) => (pulse.rests ? <Badge tone="warn">{words.rests}</Badge> : <Badge>{words.asked}</Badge>),
    },
    {
      id: 'trouble',
      head: words.lastTrouble,
      cell: ({ pulse: { trouble, trouble_at } }) =>
        trouble &&
        trouble_at && (
          <span className={styles['two']}>
            <code>{trouble}</code>
            <small>
              <time dateTime={trouble_at}>{dayAndTime(trouble_at, locale)}</time>
            </small>
          </span>
        ),
    },
  ]
  const rows = pulseRows(desk)
  return (
    <section className={account['card']}>
      <h2>{words.answering}</h2>
      <p className={account['soft']}>{words.answeringText}</p>
      {rows.length === 0 ? (
        <Empty title={words.noCalls} text={words.noCallsText} />
      ) : (
        <Table
          label={words.answering}
          columns={columns}
          rows={rows}
          keyOf={({ provider, model }) => `${provider}/${model ?? ''}`}
        />
      )}
    </section>
  )
}
