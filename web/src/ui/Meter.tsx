import styles from './small.module.css'

interface Props {
  value: number
  max: number
  label: string
  // What the bar means in words; numbers alone say little.
  words: string
}

export function Meter({ value, max, label, words }: Props) {
  const share = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0
  return (
    // The native element cannot be styled alike in the browsers that matter.
    // biome-ignore lint/a11y/useSemanticElements: see above
    <div
      className={styles['meter']}
      role="meter"
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
