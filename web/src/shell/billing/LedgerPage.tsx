import { useInfiniteQuery, useQueries, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { getMovements, type Lot } from '../../api/billing'
import { meQuery, planQuery } from '../../api/queries'
import type { Bilingual, Locale } from '../../api/types'
import { accountWords } from '../../i18n/accountWords'
import { lotWords, shopWords } from '../../i18n/billingWords'
import { count, day, dayAndTime, signed } from '../../i18n/format'
import { useLocale } from '../../i18n/locale'
import { CHAT_UNIT } from '../../i18n/quota'
import { POINT_UNIT, rewardTitle } from '../../i18n/rewardWords'
import { useWords, wordsOf } from '../../i18n/text'
import { amountOf, unitName } from '../../i18n/units'
import { Badge } from '../../ui/Badge'
import { cx } from '../../ui/css'
import { Meter } from '../../ui/Meter'
import { Noren } from '../../ui/Noren'
import { Select } from '../../ui/Select'
import { Skeleton } from '../../ui/Skeleton'
import account from '../account/account.module.css'
import area from '../account/area.module.css'
import { Ledger } from '../account/Ledger'
import { Failed, More, Page } from '../account/parts'
import { everyPage } from '../csv'
import { isShop } from '../paths'
import styles from './billing.module.css'
import { unitsOf } from './offers'
import { lotsQuery, movementsQuery, offersQuery, receiptsQuery, runsOfQuery, topUpsQuery } from './queries'
import { SaveCsv } from './SaveCsv'
import { mayBuy, shops } from './shops'

const route = getRouteApi('/house/account/ledger')

function kindOf(kind: string, locale: Locale): string {
  const words = wordsOf(accountWords, locale) as Record<string, unknown>
  const known = words[kind]
  return typeof known === 'string' ? known : kind
}

// Several runs are used up in one movement, that of the block they were admitted from.
function Runs({ unit, block }: { unit: string; block: string }) {
  const words = useWords(lotWords)
  const locale = useLocale()
  const [open, setOpen] = useState(false)
  const query = useQuery({ ...runsOfQuery(unit, block), enabled: open })
  return (
    <details className={area['details']} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.runs}</summary>
      {open && query.isPending && <Skeleton height="2rem" />}
      {query.error && <Failed error={query.error} retry={() => query.refetch()} />}
      <ul className={account['moves']}>
        {query.data?.map((run) => (
          <li key={run.run_id}>
            {dayAndTime(run.at, locale)} · {amountOf(unit, run.amount, locale)}{' '}
            <code className={styles['reference']}>{run.run_id}</code>
          </li>
        ))}
      </ul>
    </details>
  )
}

function Movements({ unit, lot, title }: { unit: string; lot: string; title: string }) {
  const words = useWords(lotWords)
  const names = useWords(accountWords)
  const locale = useLocale()
  const query = useInfiniteQuery(movementsQuery(unit, lot))
  const rows = query.data?.pages.flatMap((page) => page.items) ?? []
  if (query.isPending) return <Skeleton height="6rem" />
  if (query.error && !query.data) return <Failed error={query.error} retry={() => query.refetch()} />
  if (rows.length === 0) return <p className={account['soft']}>{words.noMovements}</p>
  return (
    <>
      <table className={cx(account['table'], account['stack'])}>
        <caption className="visually-hidden">{words.movementsOf(title)}</caption>
        <thead>
          <tr>
            <th scope="col">{names.when}</th>
            <th scope="col">{names.movement}</th>
            <th scope="col">{names.change}</th>
            <th scope="col" className={account['figure']}>
              {names.after}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.transfer_id} className={account['movement']}>
              <td>{dayAndTime(row.at, locale)}</td>
              <td>{kindOf(row.kind, locale)}</td>
              <td>
                <ul className={account['moves']}>
                  {row.amount !== 0 && <li>{`${names.available} ${signed(row.amount, locale)}`}</li>}
                  {row.held !== 0 && <li>{`${names.held} ${signed(row.held, locale)}`}</li>}
                  {row.used !== 0 && <li>{`${names.spent} ${signed(row.used, locale)}`}</li>}
                </ul>
                <code className={styles['reference']}>{row.reference}</code>
                {row.used !== 0 && row.reference.startsWith('blk_') && <Runs unit={unit} block={row.reference} />}
              </td>
              <td data-label={names.after} className={account['figure']}>
                {count(row.balance_after, locale)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <More query={query} />
    </>
  )
}

function Figure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function LotItem({
  unit,
  lot,
  title,
  receipt,
}: {
  unit: string
  lot: Lot
  title: string
  receipt: string | undefined
}) {
  const words = useWords(lotWords)
  const locale = useLocale()
  const [open, setOpen] = useState(false)
  const amount = (n: number) => amountOf(unit, n, locale)
  const said = words.leftOf(amount(lot.left), amount(lot.granted))
  return (
    <li className={styles['lot']}>
      <div className={area['title']}>
        <b>{title}</b>
        <Badge tone={lot.source === 'paid' ? 'accent' : 'plain'}>
          {lot.source === 'paid' ? words.source_paid : words.source_free}
        </Badge>
        <span className={account['soft']}>
          {words.since(day(lot.granted_at, locale))} ·{' '}
          {lot.expires_at ? words.until(day(lot.expires_at, locale)) : words.forever}
        </span>
      </div>
      <Meter value={lot.left} max={lot.granted} label={title} words={said} />
      <dl className={styles['totals']}>
        <Figure label={words.granted}>{amount(lot.granted)}</Figure>
        <Figure label={words.used}>{amount(lot.used)}</Figure>
        {lot.held > 0 && <Figure label={words.held}>{amount(lot.held)}</Figure>}
        {lot.reversed > 0 && <Figure label={words.reversed}>{amount(lot.reversed)}</Figure>}
        {lot.expired > 0 && <Figure label={words.expired}>{amount(lot.expired)}</Figure>}
        <Figure label={words.left}>
          <b>{amount(lot.left)}</b>
        </Figure>
      </dl>
      {lot.reference && (
        <p className={account['soft']}>
          {words.reference} <code className={styles['reference']}>{lot.reference}</code>
          {receipt && (
            <>
              {' '}
              <Link to="/account/receipts/$receiptId" params={{ receiptId: receipt }}>
                {words.payment}
              </Link>
            </>
          )}
        </p>
      )}
      <details className={area['details']} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{words.movements}</summary>
        {open && <Movements unit={unit} lot={lot.id} title={title} />}
      </details>
    </li>
  )
}

function Lots({ unit, plans }: { unit: string; plans: ReadonlyMap<string, Bilingual> }) {
  const words = useWords(lotWords)
  const locale = useLocale()
  // A lot is granted for a plan, by the name of its shop and its own; one that is not sold any more keeps that name.
  const titleOf = ({ reason }: Lot) => {
    const plan = plans.get(reason)
    return plan ? words.ofPlan(plan[locale]) : rewardTitle(reason, locale)
  }
  // A lot that was paid for names its invoice, and so does the receipt.
  const { data: me } = useQuery(meQuery)
  const receipts = useInfiniteQuery({ ...receiptsQuery, enabled: mayBuy(me) })
  const receiptOf = ({ reference }: Lot) =>
    receipts.data?.pages.flatMap((page) => page.items).find(({ invoice }) => invoice === reference)?.id
  // Looking at the plan issues what is due today, so it comes first.
  const plan = useQuery({ ...planQuery, enabled: false })
  const query = useInfiniteQuery({ ...lotsQuery(unit), enabled: unit !== CHAT_UNIT || !plan.isPending })
  const lots = query.data?.pages.flatMap((page) => page.items) ?? []
  // The receipt of an old lot is on a later page of them.
  const { hasNextPage, isFetching, fetchNextPage } = receipts
  const seeks = lots.some((lot) => lot.source === 'paid' && lot.reference !== null && !receiptOf(lot))
  useEffect(() => {
    if (seeks && hasNextPage && !isFetching) void fetchNextPage()
  }, [seeks, hasNextPage, isFetching, fetchNextPage])
  return (
    <section className={account['card']}>
      <h2>{words.lots}</h2>
      <p className={account['soft']}>{words.lotsText}</p>
      {query.isPending && <Skeleton height="12rem" />}
      {query.error && <Failed error={query.error} retry={() => query.refetch()} />}
      {query.data && lots.length === 0 && (
        <div className={area['empty']}>
          <Noren characters="帳場" />
          <h3>{words.empty}</h3>
          <p>{words.emptyText}</p>
        </div>
      )}
      <ul className={styles['lots']}>
        {lots.map((lot) => (
          <LotItem key={lot.id} unit={unit} lot={lot} title={titleOf(lot)} receipt={receiptOf(lot)} />
        ))}
      </ul>
      <More query={query} />
    </section>
  )
}

export default function LedgerPage() {
  const words = useWords(lotWords)
  const names = useWords(accountWords)
  const shop = useWords(shopWords)
  const locale = useLocale()
  const navigate = useNavigate()
  const { unit = CHAT_UNIT } = route.useSearch()
  useQuery(planQuery)
  // What is counted anywhere in the house.
  const offers = useQueries({ queries: shops.map((one) => offersQuery(one)) })
  const topUps = useQueries({ queries: shops.map((one) => topUpsQuery(one)) })
  const plans = new Map(
    [...offers, ...topUps].flatMap(({ data = [] }, at) =>
      data.map((sold) => [`${shops[at % shops.length]}/${sold.id}`, sold.title] as const),
    ),
  )
  const units = [...new Set([unit, CHAT_UNIT, POINT_UNIT, ...offers.flatMap(({ data = [] }) => unitsOf(data))])].sort()
  const named = (one: string) => {
    const at = one.slice(0, one.indexOf('.'))
    return isShop(at) ? `${shop[at]} · ${unitName(one, locale)}` : unitName(one, locale)
  }
  return (
    <Page title={words.title} lead={words.lead}>
      <div className={styles['pick']}>
        <Select
          label={words.unit}
          value={unit}
          options={units.map((value) => ({ value, text: named(value) }))}
          onChange={(event) => void navigate({ to: '/account/ledger', search: { unit: event.target.value } })}
        />
      </div>
      <SaveCsv
        name={`noren-ledger-${unit}.csv`}
        head={[names.when, names.movement, names.available, names.held, names.spent, names.after, words.reference]}
        rows={async () =>
          (await everyPage((cursor) => getMovements(unit, cursor))).map((row) => [
            row.at,
            kindOf(row.kind, locale),
            row.amount,
            row.held,
            row.used,
            row.balance_after,
            row.reference,
          ])
        }
      />
      <Lots key={unit} unit={unit} plans={plans} />
      <Ledger key={`${unit}/all`} unit={unit} />
    </Page>
  )
}
