import { statisticsWords } from '../../i18n/genaiRecordWords'
import { useWords } from '../../i18n/text'
import stats from './stats.module.css'

interface Point {
  name: string
  value: number
  shown: string
}

interface Props {
  title: string
  timed: boolean
  total: string
  points: readonly Point[]
}

const WIDTH = 720
const HEIGHT = 180
const FLOOR = 156

// 2026-11-20 → 11-20 and 2026-11-20T09:00 → 09:00: a tick has room for a few characters.
export function tickOf(name: string): string {
  const time = /[T ](\d\d:\d\d)/.exec(name)?.[1]
  if (time) return time
  return /^\d{4}-\d\d-\d\d$/.test(name) ? name.slice(5) : name
}

// Columns over time, and rows for what has a name. The table beside it says the same.
export function Chart({ title, timed, total, points }: Props) {
  const words = useWords(statisticsWords)
  const values = points.map(({ value }) => value)
  const most = Math.max(...values, 0)
  const busiest = points[values.indexOf(most)]
  const said = words.summary(title, total, busiest?.shown ?? '', busiest?.name ?? '')
  if (!timed) {
    return (
      <ul className={stats['rows']} aria-label={said}>
        {points.map(({ name, value, shown }) => (
          <li key={name}>
            <span>{name}</span>
            <i aria-hidden="true">
              <b style={{ width: `${most === 0 ? 0 : (value / most) * 100}%` }} />
            </i>
            <span className={stats['value']}>{shown}</span>
          </li>
        ))}
      </ul>
    )
  }
  const step = WIDTH / Math.max(points.length, 1)
  const every = Math.ceil(points.length / 8)
  return (
    <figure className={stats['chart']}>
      <figcaption>{words.most(busiest?.shown ?? '')}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said}>
        <line x1="0" x2={WIDTH} y1="0.5" y2="0.5" className={stats['grid']} />
        <line x1="0" x2={WIDTH} y1={FLOOR / 2} y2={FLOOR / 2} className={stats['grid']} />
        <line x1="0" x2={WIDTH} y1={FLOOR} y2={FLOOR} className={stats['floor']} />
        {points.map(({ name, value, shown }, at) => {
          const height = most === 0 ? 0 : Math.max(value > 0 ? 2 : 0, (value / most) * (FLOOR - 2))
          const width = Math.min(step * 0.7, 36)
          return (
            <g key={name}>
              <title>{`${name} ${shown}`}</title>
              {/* The whole column answers to a pointer, a short bar alone would be hard to meet. */}
              <rect x={at * step} y="0" width={step} height={FLOOR} fill="transparent" />
              <rect
                x={at * step + (step - width) / 2}
                y={FLOOR - height}
                width={width}
                height={height}
                rx="2"
                className={stats['bar']}
              />
              {at % every === 0 && (
                <text x={at * step + step / 2} y={HEIGHT - 6} textAnchor="middle" className={stats['tick']}>
                  {tickOf(name)}
                </text>
              )}
            </g>
          )
        })}
      </svg>
    </figure>
  )
}
