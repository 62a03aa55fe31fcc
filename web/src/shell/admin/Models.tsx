import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type DeskModel, getPlans } from '../../api/admin'
import { adminWords } from '../../i18n/adminWords'
import { dateOf } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { modelDeskWords } from '../../i18n/modelDeskWords'
import { useWords } from '../../i18n/text'
import { duration, percent, perMillion } from '../../storefronts/genai/format'
import { HealthMark } from '../../storefronts/genai/parts'
import { modelsQuery, statusQuery } from '../../storefronts/genai/queries'
import { Badge } from '../../ui/Badge'
import { buttonClass } from '../../ui/Button'
import { Empty } from '../../ui/Empty'
import type { Column } from '../../ui/Table'
import account from '../account/account.module.css'
import { Fetched, Page } from '../account/parts'
import styles from './admin.module.css'
import { ModelFile } from './ModelFile'
import { ModelPulse } from './ModelPulse'
import { ModelShares } from './ModelShares'
import { type Line, modelDeskQuery, modelLines, pricesOf } from './modelDesk'
import { Table } from './parts'

// The plans that lead to a model, and the cheapest one that sells it by its name.
function Reach({ line: { name, plans } }: { line: Line }) {
  const words = useWords(modelDeskWords)
  const admin = useWords(adminWords)
  const offers = useQuery(modelsQuery)
  const from = offers.data?.find((offer) => offer.name === name)?.cheapest_plan
  if (plans.length === 0 && !from) return words.noPlan
  return (
    <span className={styles['two']}>
      {plans.map(({ storefront, id }) => (
        <Link
          key={`${storefront}/${id}`}
          className={styles['line']}
          to="/admin/desk/plans"
          search={{ plan: `${storefront}/${id}` }}
          aria-label={`${admin.plan} ${storefront}/${id}`}
        >
          {storefront}/{id}
        </Link>
      ))}
      {from && <small>{words.from(`genai/${from}`)}</small>}
    </span>
  )
}

type Prices = Pick<DeskModel['prices'][number], 'input_nano_usd' | 'cached_nano_usd' | 'output_nano_usd'>

const inOneLine = ({ input_nano_usd, cached_nano_usd, output_nano_usd }: Prices) =>
  [input_nano_usd, cached_nano_usd, output_nano_usd].map(perMillion).join(' / ')

// Of a target that costs something else than its model.
function OwnPrice({ target }: { target: DeskModel['targets'][number] }) {
  const words = useWords(modelDeskWords)
  const { now } = pricesOf(target)
  return now && <small>{words.ownPrice(inOneLine(now))}</small>
}

function Targets({ model: { targets, choose, after_break } }: { model: DeskModel }) {
  const words = useWords(modelDeskWords)
  if (targets.length === 0) return words.noTargets
  return (
    <span className={styles['two']}>
      {targets.map((target) => (
        <span key={`${target.provider}/${target.model}/${target.rank}`} className={styles['badges']}>
          <span>
            {target.provider} / {target.model}
          </span>
          <small>{words.ranked(target.rank, target.weight)}</small>
          {target.concurrent !== null && <small>{words.places(target.concurrent)}</small>}
          <OwnPrice target={target} />
          {!target.available && <Badge tone="warn">{words.unavailable}</Badge>}
        </span>
      ))}
      {choose !== 'weight' && <small>{words[choose]}</small>}
      {after_break === 'continue' && <small>{words.continues}</small>}
    </span>
  )
}

function Price({ model }: { model: DeskModel }) {
  const words = useWords(modelDeskWords)
  const locale = useLocale()
  const { now, later } = pricesOf(model)
  if (!now) return '–'
  return (
    <span className={styles['two']}>
      <span>{inOneLine(now)}</span>
      {now.written_nano_usd !== now.input_nano_usd && (
        <small>{words.writtenPrice(perMillion(now.written_nano_usd))}</small>
      )}
      {now.long && <small>{words.longPrice(now.long.over, inOneLine(now.long))}</small>}
      {later && <small>{words.laterPrice(dateOf(later, locale))}</small>}
    </span>
  )
}

function List({ lines }: { lines: readonly Line[] }) {
  const words = useWords(modelDeskWords)
  const locale = useLocale()
  const columns: Column<Line>[] = [
    {
      id: 'model',
      head: words.model,
      cell: ({ name, kind, alias_of }) => (
        <span className={styles['two']}>
          <b>{name}</b>
          <small>{words[kind]}</small>
          {alias_of !== null && <small>{words.aliasOf(alias_of)}</small>}
        </span>
      ),
    },
    { id: 'targets', head: words.targets, long: true, cell: (line) => <Targets model={line} /> },
    {
      id: 'price',
      head: `${words.input} / ${words.cached} / ${words.output}`,
      cell: (line) => <Price model={line} />,
    },
    {
      id: 'health',
      head: words.health,
      cell: ({ status }) => <HealthMark health={status?.health ?? 'unknown'} />,
    },
    {
      id: 'success',
      head: words.success,
      figure: true,
      cell: ({ status }) => percent(status?.success_rate_1h ?? null),
    },
    {
      id: 'median',
      head: words.median,
      figure: true,
      cell: ({ status }) => duration(status?.p50_ms ?? null, locale),
    },
    { id: 'plans', head: words.plans, cell: (line) => <Reach line={line} /> },
  ]
  if (lines.length === 0) {
    return (
      <Empty title={words.empty} text={words.emptyText}>
        <Link to="/admin/desk/providers" className={buttonClass({ look: 'primary' })}>
          {words.toProviders}
        </Link>
      </Empty>
    )
  }
  return (
    <>
      <Table label={words.list} columns={columns} rows={lines} keyOf={({ name }) => name} />
      <p className={account['soft']}>{words.perMillion}</p>
    </>
  )
}

export function Models() {
  const words = useWords(modelDeskWords)
  const admin = useWords(adminWords)
  const desk = useQuery(modelDeskQuery)
  const plans = useQuery({ queryKey: ['admin', 'plans'], queryFn: getPlans })
  const status = useQuery(statusQuery)
  return (
    <Page title={admin.models} lead={words.lead}>
      <Fetched query={desk} height="20rem">
        {(all) => (
          <>
            <ModelShares desk={all} />
            <ModelPulse desk={all} />
            <section className={account['card']}>
              <h2>{words.list}</h2>
              <p className={account['soft']}>{words.versionNow(all.version)}</p>
              <List lines={modelLines(all.models, plans.data ?? [], status.data?.items ?? [])} />
            </section>
            <ModelFile version={all.version} />
          </>
        )}
      </Fetched>
    </Page>
  )
}
