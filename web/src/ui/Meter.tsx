import styles from './small.module.css'

interface Props {
  value: number
  max: number
  label: string
  // What the bar means in words; numbers alone say little.
  words: string
  // What goes on is a progress; what is full or empty is a measure.
  goesOn?: boolean
}

export function Meter({ value, max, label, words, goesOn = false }: Props) {
  const share = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0
  return (
    // The native element cannot be styled alike in the browsers that matter.
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: both of these roles are named so
    <div
      className={styles['meter']}
      role={goesOn ? 'progressbar' : 'meter'}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={value}
      aria-valuetext={words}
    >
      <i style={{ width: `${share * 100}%` }} />
    </div>
  )
}
